"""Words of names by which personal data is recognised. Lower case."""


def _each(words: str) -> frozenset[str]:
    return frozenset(words.split())


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
BIRTHS = _each("dob yob birthdate birthday birth born bday bdate")
"""Words of names of birth dates."""
EVENTS = _each(
    "hire hired start started starting begin began from end ended ending to until finish incident occurred "
    "occurrence report reported reporting receive received close closed open opened arrest arrested stop stopped "
    "complaint event issue issued expire expires expiration expiry complete completed completion course class "
    "training created create updated update modified entered entry effective termination terminated separation "
    "separated retire retired retirement promotion promoted rank appointment appointed appt sworn certified "
    "certification service seniority join joined last assigned assignment court filed file violation offense "
    "crime case call dispatch death died decision hearing payment paid due sent founded established built "
    "purchase purchased left departed year fiscal license"
)
"""Words of dates of something else than a birth."""
SOCIAL_SECURITY = _each("ssn ssno socialsecuritynumber socialsecurity")
"""Joined words of names of social security numbers."""
PHONES = _each("phone telephone tel cell cellphone mobile fax")
CARDS = _each("card cardnumber creditcard debitcard pan")
INSTITUTIONS = _each(
    "agency department dept station office facility court hospital school hotline bureau precinct organization "
    "organisation vendor headquarters"
)
"""Words of what has a phone or an e-mail address that is nobody's own."""
FREE_OF_CHARGE = _each("800 833 844 855 866 877 888 900")
"""Area codes that callers do not pay for: hotlines."""
SHARED_MAILBOXES = _each(
    "info contact records record admin office dispatch police pd sheriff noreply no-reply donotreply webmaster "
    "support help helpdesk hr media press foia clerk mail email crime tips tipline feedback service services"
)
"""Names of mailboxes that are nobody's own."""
