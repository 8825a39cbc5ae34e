"""Email queue → sensor → run → archive, through a real Dagster daemon."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from etl_platform.defs.email_archive import ASSET
from etl_platform.local.provision import open_clients
from etl_platform.local.sample_emails import sample_emails
from etl_platform.local.stack import Stack
from etl_platform.queue_work.queues import EMAILS
from etl_platform_tests.integration.conftest import _wait_until
from etl_platform_tests.integration.post import Post

# A Dagster daemon, its code server and its runs keep every core busy: one such stack at a time.
pytestmark = pytest.mark.xdist_group("daemon")
WITHIN_S = 120.0


def test_the_daemon_archives_waiting_emails_and_leaves_no_planned_check(tmp_path: Path) -> None:
    with Stack(tmp_path, poll_interval_s=1) as stack, open_clients(stack.emulator.endpoint_url) as aws:
        post = Post(aws, stack.resources)
        ids = post.send(*sample_emails(25))
        began = datetime.now(UTC).date()
        stack.start_daemon()

        def all_archived() -> bool:
            stack.check()
            return len(post.versions()) == len(ids)

        _wait_until(all_archived, WITHIN_S, "25 archived emails")
        assert post.documents().keys() == set(ids)
        with dg.DagsterInstance.from_config(str(stack.dagster_home)) as instance:
            runs = dg.RunsFilter(job_name=EMAILS.job)
            _wait_until(lambda: all(run.is_finished for run in instance.get_runs(runs)), WITHIN_S, "finished runs")
            (run,) = instance.get_runs(runs)
            assert run.status is dg.DagsterRunStatus.SUCCESS
            (record,) = instance.fetch_materializations(ASSET, limit=9).records
            assert record.partition_key == began.isoformat() or datetime.now(UTC).date() != began
            planned = dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
            assert instance.all_logs(run.run_id, of_type=planned) == []
