"""Answers about cameras and the pipeline: domain to wire."""

from collections.abc import Iterator

from services.analytics.convert_questions import (
    coverage_to_proto,
    time_to_proto,
)
from services.analytics.service.operation import ActivitySteps
from services.analytics.service.questions import Coverage
from spoton.analytics.v1 import operation_pb2


def camera_activity_to_proto(
    cameras: list[tuple[str, ActivitySteps]], coverage: Coverage
) -> operation_pb2.GetCameraActivityResponse:
    """Return what each camera contributed."""
    return operation_pb2.GetCameraActivityResponse(
        cameras=[
            operation_pb2.CameraSeries(camera_id=name, steps=_camera_steps(steps))
            for name, steps in cameras
        ],
        coverage=coverage_to_proto(coverage),
    )


def _camera_steps(steps: ActivitySteps) -> Iterator[operation_pb2.CameraStep]:
    for index, start_us in enumerate(steps.start_us.tolist()):
        counts = {name: int(values[index]) for name, values in steps.sums.items()}
        yield operation_pb2.CameraStep(
            start_time=time_to_proto(start_us),
            max_tracks=int(steps.most[index]),
            **counts,
        )


def pipeline_activity_to_proto(
    steps: ActivitySteps, coverage: Coverage
) -> operation_pb2.GetPipelineActivityResponse:
    """Return what the pipeline published."""
    return operation_pb2.GetPipelineActivityResponse(
        steps=_pipeline_steps(steps), coverage=coverage_to_proto(coverage)
    )


def _pipeline_steps(steps: ActivitySteps) -> Iterator[operation_pb2.PipelineStep]:
    for index, start_us in enumerate(steps.start_us.tolist()):
        updates = int(steps.sums["updates"][index])
        message = operation_pb2.PipelineStep(
            start_time=time_to_proto(start_us),
            frame_sets=updates,
            sightings=int(steps.sums["persons"][index]),
            located=int(steps.sums["located"][index]),
            max_persons=int(steps.most[index]),
        )
        if updates:
            delay_us = round(int(steps.sums["delay_us"][index]) / updates)
            message.mean_delay.FromMicroseconds(delay_us)
        yield message
