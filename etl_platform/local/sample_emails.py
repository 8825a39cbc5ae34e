"""Generates sample messages of the email validation service. No network."""

import json
import random

SENDERS = (
    "john.doe@police.example",
    "Jane Smith <Jane.Smith@police.example>",
    "records+foia@police.example",
    '"Núñez, José" <josé.núñez@policía.example>',
    "<>",
)
_SUBJECTS = ("Shift report", "Request for records", "Training dates", "Re: roster of March", "Fwd: Complaint C26-0007")
POISON = json.dumps({"email_subject": "No sender", "email_content": "and no time"})


def sample_emails(count: int, *, poison: bool = False, seed: int = 7) -> list[str]:
    """Bodies of ``count`` emails, with ``poison`` also of a message that is not an email; deterministic by seed."""
    rng = random.Random(seed)  # noqa: S311 - generated emails, no security
    bodies = [
        json.dumps(
            {
                "email_subject": f"{rng.choice(_SUBJECTS)} {number}",
                "email_sender": SENDERS[number % len(SENDERS)],
                "email_timestream": str(1_767_225_600 + rng.randrange(86_400 * 90)),
                "email_content": f"Sample text {rng.randrange(10**6)}.\r\n" * rng.randint(1, 40),
            }
        )
        for number in range(count)
    ]
    return [*bodies, POISON] if poison else bodies
