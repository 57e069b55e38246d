"""The routes of live events and pictures, which are written by hand."""

from collections.abc import Callable

from aiohttp import web

from services.gateway.app import DOCUMENTED
from services.gateway.audit import AuditLog
from services.gateway.credentials import CallCredentials
from services.gateway.live.documented import path_items
from services.gateway.live.feed import LiveHub
from services.gateway.live.person_crops import PersonCrops
from services.gateway.live.picture_audit import PictureAudit
from services.gateway.live.picture_routes import PictureRoutes
from services.gateway.live.pictures import PictureHub
from services.gateway.live.pipeline_source import PipelineSource
from services.gateway.live.quota import NoQuota, ViewerQuota
from services.gateway.live.shared_streams import (
    WATCH_PREVIEW,
    WATCH_TRACKING,
    SharedPreviews,
    SharedTracking,
)
from services.gateway.live.socket import LiveSockets
from services.gateway.live.standing import RECHECK_S, Doorkeeper
from services.gateway.live.ticket_route import TicketRoute
from services.gateway.live.tickets import RedisTickets
from services.gateway.transcoder.peers import Peers

_ENVIRONMENT = "/v1/environments/{environment_id}"
_CAMERA = _ENVIRONMENT + "/cameras/{camera_id}"


def live_routes(
    peers: Peers,
    source: PipelineSource,
    credentials: CallCredentials,
    tickets: RedisTickets,
    audit: AuditLog,
    quota: ViewerQuota | None = None,
    *,
    recheck_s: float = RECHECK_S,
) -> Callable[[web.Application], None]:
    """Return what adds the routes to an application.

    Args:
        peers: The services. Routes of the protos share what is read here too.
        source: Reads events and pictures of the pipeline; closed with the application.
        credentials: Show them who asks.
        tickets: Given out and taken back.
        audit: Records who looks at pictures.
        quota: Bounds how many watch; None bounds nothing.
        recheck_s: How often is asked whether viewers still may watch, seconds.
    """

    def add(app: web.Application) -> None:
        channels = peers.channels
        doorkeeper = Doorkeeper(tickets, recheck_s=recheck_s)
        hub, picture_hub = LiveHub(source.watch), PictureHub(source)
        bounds = quota or NoQuota()
        live = LiveSockets(hub, source, doorkeeper, bounds)
        pictures = PictureRoutes(
            picture_hub,
            PersonCrops(channels["reid"], credentials),
            doorkeeper,
            PictureAudit(audit),
            bounds,
        )

        peers.shared[WATCH_TRACKING] = SharedTracking(hub, source, bounds).call
        peers.shared[WATCH_PREVIEW] = SharedPreviews(source, bounds).call

        async def close(_app: web.Application) -> None:
            await hub.close()
            await picture_hub.close()
            await source.close()

        app[DOCUMENTED].update(path_items(_ENVIRONMENT, _CAMERA))
        app.on_shutdown.extend((live.stop, pictures.stop))
        app.on_cleanup.append(close)
        get, post = app.router.add_get, app.router.add_post
        post("/v1/auth/tickets", TicketRoute(tickets).answer)
        environment, camera = _any(_ENVIRONMENT), _any(_CAMERA)
        get(environment + "/live", live.answer)
        get(environment + _any("/identities/{global_id}/crop.jpg"), pictures.crop)
        get(camera + "/preview.mjpeg", pictures.mjpeg)
        get(camera + "/preview", pictures.socket)
        get(camera + "/snapshot.jpg", pictures.snapshot)

    return add


def _any(path: str) -> str:
    """Return a path whose variables take what cannot be a name too, to refuse it."""
    return path.replace("}", ":[^/]+}")
