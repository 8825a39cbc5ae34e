"""Dagster's default run launcher, which starts runs as processes on this machine, plus a check that they are alive.

Dagster's own launcher has no such check. If a run's process and its code server are killed together, the run would
count as started until its maximum runtime of 12 hours. Ten such runs would fill MAX_RUNS_IN_FLIGHT and stop the intake.
On Kubernetes the K8sRunLauncher asks the cluster instead.
"""

import socket

import dagster as dg

from etl_platform.defs.dagster_internals import CheckRunHealthResult, CodeServer, WorkerStatus, code_server_of

_TIMEOUT_S = 10


class WatchedRunLauncher(dg.DefaultRunLauncher):
    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """FAILED if the code server that started the run is gone, or no longer knows the run.

        A server that does not answer in time is busy, so its run counts as running.
        """
        server = code_server_of(run)
        if server is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if not _accepts_connections(server):
            return CheckRunHealthResult(WorkerStatus.FAILED, "the code server that started this run is gone")
        if server.is_running(run.run_id, _TIMEOUT_S) is False:
            return CheckRunHealthResult(
                WorkerStatus.FAILED, "the process of this run is gone: it was killed, or ran out of memory"
            )
        return CheckRunHealthResult(WorkerStatus.RUNNING)


def _accepts_connections(server: CodeServer) -> bool:
    try:
        if server.socket:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(_TIMEOUT_S)
                connection.connect(server.socket)
        else:
            socket.create_connection((server.host or "localhost", server.port or 0), _TIMEOUT_S).close()
    except TimeoutError:
        return True
    except OSError:
        return False
    return True
