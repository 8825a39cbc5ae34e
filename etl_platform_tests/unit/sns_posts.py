"""Posts as SNS makes them, signed by a key and a certificate that a test made. No tests."""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.x509.oid import NameOID

TOPIC = "arn:aws:sns:us-east-1:123456789012:file-processing-topic"
CERT_URL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0000000000000000000000.pem"
SUBSCRIBE_URL = f"https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
EVENT = json.dumps(
    {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "bucket": {"name": "b"},
                    "object": {"key": "from_client/nm_albuquerque/Officer_Detail.csv", "size": 7},
                },
            }
        ]
    }
)
_NOT_SIGNED = {"SignatureVersion", "Signature", "SigningCertURL", "UnsubscribeURL"}


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def notification(at: datetime, message_id: str = "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", **more: str) -> dict[str, str]:
    """Unsigned fields of a Notification, as SNS writes them."""
    return {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": TOPIC,
        "Subject": "Amazon S3 Notification",
        "Message": EVENT,
        "Timestamp": stamp(at),
        "UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe",
    } | more


def confirmation(at: datetime, message_id: str = "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", **more: str) -> dict[str, str]:
    return {
        "Type": "SubscriptionConfirmation",
        "MessageId": message_id,
        "Token": "2336412f37",
        "TopicArn": TOPIC,
        "Message": "You have chosen to subscribe to the topic.",
        "SubscribeURL": SUBSCRIBE_URL,
        "Timestamp": stamp(at),
    } | more


@dataclass(frozen=True)
class Signer:
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def sign(self, fields: dict[str, str], version: str = "2", url: str = CERT_URL) -> dict[str, str]:
        """The fields with a signature over all of them that SNS signs."""
        text = "".join(f"{name}\n{fields[name]}\n" for name in sorted(set(fields) - _NOT_SIGNED))
        digest = hashes.SHA1() if version == "1" else hashes.SHA256()
        signature = base64.b64encode(self.key.sign(text.encode(), PKCS1v15(), digest)).decode()
        return fields | {"SignatureVersion": version, "Signature": signature, "SigningCertURL": url}

    def post(self, fields: dict[str, str], version: str = "2", url: str = CERT_URL) -> bytes:
        return json.dumps(self.sign(fields, version, url)).encode()


def make_signer(
    name: str,
    by: Signer | None = None,
    valid: tuple[datetime, datetime] | None = None,
    *,
    authority: bool = False,
) -> Signer:
    """A key with a certificate for a host, signed by itself or by an authority."""
    key = _key(name)
    now = datetime.now(UTC)
    start, end = valid or (now - timedelta(days=1), now + timedelta(days=1))
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = by.certificate.subject if by else subject
    signing = by.key if by else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
    )
    if authority:
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        builder = builder.add_extension(usage, critical=True)
    return Signer(key, builder.sign(signing, hashes.SHA256()))


@cache
def _key(name: str) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
