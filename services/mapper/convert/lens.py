"""Lenses: wire to domain and back."""

from services.mapper.domain.environment import BrownConrady, Fisheye, Lens
from spoton.mapper.v1 import environment_pb2


def lens_from_proto(message: environment_pb2.Lens) -> Lens:
    """Return a lens."""
    kind = message.WhichOneof("distortion")
    return Lens(
        fx_px=message.fx_px,
        fy_px=message.fy_px,
        cx_px=message.cx_px,
        cy_px=message.cy_px,
        brown_conrady=_brown_conrady_from_proto(message.brown_conrady)
        if kind == "brown_conrady"
        else None,
        fisheye=_fisheye_from_proto(message.fisheye) if kind == "fisheye" else None,
    )


def lens_to_proto(lens: Lens) -> environment_pb2.Lens:
    """Return the message of a lens."""
    message = environment_pb2.Lens(
        fx_px=lens.fx_px, fy_px=lens.fy_px, cx_px=lens.cx_px, cy_px=lens.cy_px
    )
    if lens.brown_conrady is not None:
        message.brown_conrady.CopyFrom(_brown_conrady_to_proto(lens.brown_conrady))
    if lens.fisheye is not None:
        message.fisheye.CopyFrom(_fisheye_to_proto(lens.fisheye))
    return message


def _brown_conrady_from_proto(message: environment_pb2.BrownConrady) -> BrownConrady:
    return BrownConrady(
        k1=message.k1,
        k2=message.k2,
        p1=message.p1,
        p2=message.p2,
        k3=message.k3,
        k4=message.k4,
        k5=message.k5,
        k6=message.k6,
    )


def _brown_conrady_to_proto(values: BrownConrady) -> environment_pb2.BrownConrady:
    return environment_pb2.BrownConrady(
        k1=values.k1,
        k2=values.k2,
        p1=values.p1,
        p2=values.p2,
        k3=values.k3,
        k4=values.k4,
        k5=values.k5,
        k6=values.k6,
    )


def _fisheye_from_proto(message: environment_pb2.Fisheye) -> Fisheye:
    return Fisheye(k1=message.k1, k2=message.k2, k3=message.k3, k4=message.k4)


def _fisheye_to_proto(values: Fisheye) -> environment_pb2.Fisheye:
    return environment_pb2.Fisheye(
        k1=values.k1, k2=values.k2, k3=values.k3, k4=values.k4
    )
