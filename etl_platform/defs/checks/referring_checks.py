"""Evaluates foreign keys again after silver that they refer to was written. No decision about a result."""

from collections.abc import Collection
from functools import partial

import dagster as dg

from etl_platform.defs.checks.check_log import CheckLog
from etl_platform.defs.checks.partition_checks import PartitionChecks
from etl_platform.errors import TransientError
from etl_platform.platform import Platform


def log_referring_checks(
    context: dg.OpExecutionContext,
    check_log: CheckLog,
    checks: PartitionChecks,
    platform: Platform,
    written: Collection[tuple[str, str]],
) -> None:
    """Log FOREIGN_KEYS_CHECK of the partitions whose rows refer to silver that this run has written.

    Files that arrive together are read in any order, so a file can be checked before the one that it refers to.

    Args:
        written: datasets with agencies.
    """
    for contract in sorted(platform.contracts.values(), key=lambda contract: contract.dataset):
        referred = {key.dataset for key in contract.foreign_keys if not key.waits_for}
        for agency in sorted({agency for dataset, agency in written if dataset in referred}):
            try:
                if checks.has_current_foreign_keys(contract, agency):
                    continue
                evaluate = partial(checks.foreign_keys, contract, agency)
                check_log.log(dg.AssetKey(["silver", contract.dataset]), agency, evaluate, exact=True)
            except TransientError as error:
                # The deliveries are done, and the next one evaluates this again.
                context.log.warning(
                    f"the foreign keys of {contract.dataset} of {agency} are not current until its partition is "
                    f"materialized: {error}"
                )
