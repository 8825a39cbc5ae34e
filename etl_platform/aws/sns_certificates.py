"""HTTPS requests to SNS: fetch signing certificates to verify signatures, and confirm subscriptions.

Redirects are not followed: a post is trusted because of SNS's host name, so no other host may respond.
https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
"""

import threading
import time
from collections import OrderedDict
from datetime import datetime
from typing import TYPE_CHECKING

from etl_platform.aws.sns_message import SnsMessage, check_certificate_url, check_subscribe_url
from etl_platform.errors import NotificationRefusedError, TransientError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_CACHED = 16
"""SNS uses one certificate at a time per region, and replaces it about once a year."""
_MAX_BYTES = 64 << 10
_CONNECT_S, _READ_S, _TOTAL_S = 2.0, 3.0, 5.0
"""SNS waits 15 seconds for the response to a post."""


class SnsCertificates:
    """Thread-safe.

    Args:
        emulator: endpoint whose certificates and SubscribeURLs are accepted too; None accepts only those of AWS.
    """

    def __init__(self, emulator: str | None = None) -> None:
        self._emulator = emulator
        self._cached: OrderedDict[str, Certificate] = OrderedDict()
        self._lock = threading.Lock()

    def check_signature(self, message: SnsMessage, now: datetime) -> None:
        """Return if SNS signed the message.

        Raises:
            NotificationRefusedError: ``bad_signature``.
            TransientError: the certificate cannot be fetched.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

        check_certificate_url(message, self._emulator)
        signature = message.signature
        key = self._certificate(message.signing_cert_url, now).public_key()
        if not isinstance(key, RSAPublicKey):
            raise NotificationRefusedError("bad_signature", "the certificate's key is not RSA")
        # SignatureVersion 1 means SHA1, and is still SNS's default.
        digest = hashes.SHA1() if message.signature_version == "1" else hashes.SHA256()  # noqa: S303
        try:
            key.verify(signature, message.signed_text, PKCS1v15(), digest)
        except InvalidSignature:
            raise NotificationRefusedError("bad_signature", "the Signature does not match the message") from None

    def check_confirmation(self, message: SnsMessage) -> None:
        """Raise NotificationRefusedError, ``bad_subscribe_url``, unless ``confirm`` may be called; requests nothing."""
        check_subscribe_url(message, self._emulator)

    def confirm(self, message: SnsMessage) -> None:
        """Request the SubscribeURL of a message whose signature and URL have been verified.

        Raises:
            TransientError: SNS did not confirm the subscription.
        """
        _get(message.subscribe_url, "subscription confirmation")

    def _certificate(self, url: str, now: datetime) -> "Certificate":
        with self._lock:
            found = self._cached.get(url)
        # Not locked: one slow response must not block every thread. At startup two threads may fetch the same one.
        certificate = found or _parsed(_get(url, "SNS signing certificate"))
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            with self._lock:
                self._cached.pop(url, None)
            raise NotificationRefusedError("bad_signature", "the certificate has expired or is not yet valid")
        with self._lock:
            self._cached[url] = certificate
            self._cached.move_to_end(url)
            while len(self._cached) > _CACHED:
                self._cached.popitem(last=False)
        return certificate


def _parsed(pem: bytes) -> "Certificate":
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(pem)
    except ValueError:
        raise NotificationRefusedError("bad_signature", "the SigningCertURL does not return a certificate") from None


def _get(url: str, what: str) -> bytes:
    """The body of a response with status 200. Errors do not quote the URL: a SubscribeURL contains a token."""
    import requests

    deadline = time.monotonic() + _TOTAL_S
    try:
        with requests.get(url, timeout=(_CONNECT_S, _READ_S), allow_redirects=False, stream=True) as answer:
            if answer.status_code != requests.codes.ok:
                raise TransientError(f"{what}: HTTP {answer.status_code}")
            body = b""
            for block in answer.iter_content(4 << 10):
                body += block
                if len(body) > _MAX_BYTES:
                    raise TransientError(f"{what}: the response is longer than {_MAX_BYTES:,} bytes")
                if time.monotonic() > deadline:
                    raise TransientError(f"{what}: no complete response within {_TOTAL_S:.0f} s")
            return body
    except requests.RequestException as error:
        raise TransientError(f"{what}: {type(error).__name__}") from None
