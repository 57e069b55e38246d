"""Pictures over HTTP: MJPEG, binary WebSocket, snapshot, and a person's best crop."""

import asyncio
from collections.abc import Collection
from contextlib import aclosing
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, hdrs, web
from google.rpc import code_pb2
from grpc import aio

from services.common.errors import InvalidInput, SpotOnError, Unauthenticated
from services.common.ids import require_resource_id
from services.common.tasks import end_tasks
from services.gateway.audit import AuditEntry, AuditLog
from services.gateway.credentials import CallCredentials
from services.gateway.http_errors import HttpProblem, known_status
from services.gateway.live.closing import (
    STOPPING,
    bound_send_buffer,
    close_code,
    close_for_certain,
    cut_off_later,
)
from services.gateway.live.origin import require_origin
from services.gateway.live.picture_query import picture_wish
from services.gateway.live.pictures import (
    BOUNDARY,
    CameraPicture,
    PictureFeed,
    PictureHub,
    PictureWish,
)
from services.gateway.live.pipeline_source import translated
from services.gateway.live.standing import Doorkeeper, Proof, require_scope
from services.gateway.live.tickets import Purpose
from services.gateway.request_context import REQUEST_ID
from spoton.reid.v1 import reid_pb2, reid_pb2_grpc

if TYPE_CHECKING:  # Names that exist in the type stubs only.
    from spoton.reid.v1.reid_pb2_grpc import ReidServiceAsyncStub
