"""The emulator, and resources of each test's own, as the integration tests have them."""

from etl_platform_tests.integration.conftest import aws, endpoint_url, platform, provisioned, settings, wait_until

__all__ = ["aws", "endpoint_url", "platform", "provisioned", "settings", "wait_until"]
