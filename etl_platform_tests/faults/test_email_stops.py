"""A real process that drains the email queue, told to stop in the middle of a put."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from etl_platform.local.provision import Clients, Provisioned
from etl_platform.local.sample_emails import sample_emails
from etl_platform.local.stack import inherited_environment
from etl_platform.platform import Platform
from etl_platform.queue_work.queues import EMAILS
from etl_platform.settings import Settings
from etl_platform_tests.faults.proxy import Call, Fault, FaultProxy, Harm


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_drain_finishes_its_put_returns_the_rest_and_exits_0(
    number: signal.Signals, settings: Settings, aws: Clients, provisioned: Provisioned, tmp_path: Path
) -> None:
    for body in sample_emails(10):
        aws.sqs.send_message(QueueUrl=provisioned.email_queue_url, MessageBody=body)
    in_hand, go_on = threading.Event(), threading.Event()

    def pause(_call: Call) -> None:
        in_hand.set()
        assert go_on.wait(60)

    def first_put(call: Call) -> Fault | None:
        return Fault(Harm.PAUSE, hook=pause) if call.operation == "PutObject" and not in_hand.is_set() else None

    with FaultProxy(settings.aws_endpoint_url or "") as proxy, proxy.watch(first_put):
        environment = {
            **inherited_environment(),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "AWS_ENDPOINT_URL": proxy.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "EMAIL_QUEUE_URL": provisioned.email_queue_url,
            "EMAIL_DLQ_URL": provisioned.email_dlq_url,
            "EMAIL_BUCKET_NAME": provisioned.email_bucket,
            "SNS_WORKER_MAX": "1",
        }
        command = [sys.executable, "-m", "etl_platform", "run", "email_archive_job"]
        process = subprocess.Popen(
            command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert in_hand.wait(60), process.poll()
            process.send_signal(number)
        finally:
            go_on.set()
        printed, errors = process.communicate(timeout=60)

    assert process.returncode == 0, errors
    archived = aws.s3.list_objects_v2(Bucket=provisioned.email_bucket).get("KeyCount", 0)
    waiting, hidden = Platform(settings).queue(EMAILS).depth()
    assert archived >= 1
    assert waiting == 10 - archived
    assert waiting >= 1
    assert hidden == 0
    assert printed.startswith(f"email_archive_job: {archived} archived; ")
    assert printed.endswith(f"; {waiting} returned to the queue\n")
