"""Dagster's default run launcher, which starts runs as processes on this machine, with an eye on whether they live.

Dagster's own cannot tell, so run monitoring leaves a run whose process and code server were killed together "started"
until its maximum runtime of 12 hours; ten of those fill MAX_RUNS_IN_FLIGHT, and nothing is taken in any more. On
Kubernetes the K8sRunLauncher asks the cluster instead.
"""

import json
import socket

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

_ANSWER_S = 10


class WatchedRunLauncher(DefaultRunLauncher):
    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Failed when the code server that started the run is gone or no longer knows it.

        A server that does not answer in time is busy, not gone.
        """
        if GRPC_INFO_TAG not in run.tags:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        server = json.loads(run.tags[GRPC_INFO_TAG])
        if not _listens(server):
            return CheckRunHealthResult(WorkerStatus.FAILED, "the code server that ran it is gone")
        client = DagsterGrpcClient(
            host=server.get("host"),
            port=server.get("port"),
            socket=server.get("socket"),
            use_ssl=bool(server.get("use_ssl")),
        )
        try:
            answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id), timeout=_ANSWER_S)
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if deserialize_value(answer, CanCancelExecutionResult).can_cancel:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "its process is gone: killed, or out of memory")


def _listens(server: dict[str, str | int | None]) -> bool:
    path, host, port = server.get("socket"), server.get("host"), server.get("port")
    try:
        if path:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_ANSWER_S)
                connection.connect(str(path))
        else:
            socket.create_connection((str(host), int(port or 0)), _ANSWER_S).close()
    except TimeoutError:
        return True
    except OSError:
        return False
    return True
