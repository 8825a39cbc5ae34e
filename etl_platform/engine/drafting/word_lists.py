"""Words of column names, file names and values by which a draft guesses. Lower case, except texts that mean empty."""


def _each(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _in_order(words: str) -> tuple[str, ...]:
    return tuple(words.split())


MONTHS = _in_order("january february march april may june july august september october november december")
WEEKDAYS = _in_order("monday tuesday wednesday thursday friday saturday sunday")
PERIODS = _each("sept q1 q2 q3 q4 fy copy final") | {*MONTHS} | {month[:3] for month in MONTHS}
"""Words of file names that say when, not what."""

CODES = _each("code codes")
KEYS = CODES | _each("id ids uid uuid guid key taxid serial ref account acct")
KEYS_AT_END = _each("no nr nbr num number case")
"""Words of identifiers of rows, anywhere in a name or as its last word."""
DIGIT_TEXTS = _each("zip zipcode postal phone ssn badge shield fips fp ce tract geoid plate vin")
"""Words of other texts that may be all digits and are not numbers."""
COUNTERS = _each("seq sequence line item row version year month day")
"""Words of numbers that distinguish the rows of one identifier."""

FLAGS = _each("is has was flag ind indicator yn bool")
"""Words of booleans that are written as 0 and 1."""
DAYS = _each("date day dob on hired")
TIMES = _each("time")
"""Words of dates and of times of day that may be all digits."""
FUTURE_DATES = _each("expiration expires expiry expire due until valid end ends expected scheduled next court target")
"""Words of dates that may be in the future."""

ALWAYS_EMPTY = _each(r"N/A NA N.A. #N/A NULL (NULL) <NULL> \N NAN - -- --- ? .")
"""Texts that mean empty in any column, in upper case."""
EMPTY_BESIDE_VALUES = _each("UNKNOWN UNK NONE NIL MISSING TBD PENDING BLANK N/K UNSPECIFIED REDACTED SEALED") | {
    *("00/00/0000", "0/0/0000", "0000-00-00"),
    *("NOT APPLICABLE", "NOT AVAILABLE", "NOT KNOWN", "NOT STATED", "NOT REPORTED"),
}
"""Texts that mean empty in a column of numbers, dates or booleans; in a column of texts they may be values."""

OFFICIAL_NUMBERS = _each("ssn passport")
SURNAMES = _each("surname forename")
ATTRIBUTES = _each("race ethnicity ethnic gender sex religion nationality raceethnicity")
CONTACTS = _each("email phone telephone mobile cellphone emailaddress")
ADDRESSES = _each("address streetaddress addr residence")
PLATES = _each("plate vin")
LICENCES = _each("driverlicense driverslicense driverlicensenumber driverslicensenumber dlnumber dlno")
BADGES = _each("badge shield")
PAY = _each("salary wage wages pay")
PAY_TERMS = _each("period date code type grade step plan group class")
"""Words of what is about pay and is no amount."""
NAMES = _each("name names initial initials")
NAME_PARTS = _each("first last middle full given family maiden nick user display")
WHOLE_NAMES = _each("mi firstname lastname fullname middlename middleinitial fname lname username alias aliases")
PEOPLE = _each(
    "officer supervisor driver victim subject suspect complainant witness investigator sergeant commander instructor"
    " judge attorney owner passenger employee reviewer trainer captain chief person civilian defendant arrestee citizen"
    " inmate applicant deputy"
)
FREE_TEXTS = _each("note notes narrative comment comments remark remarks summary memo details")
"""Words of columns in which anything may be written, also names."""
ROLES = PEOPLE | _each("by contact assigned")
THINGS = _each(
    "agency department dept unit city county state street school course event file company facility station beat"
    " district vendor product class program training charge offense offence statute location place road make model"
    " business organization organisation employer court division bureau precinct section zone weapon vehicle policy"
    " rule law type category status group team role rank task project table column report incident"
)
"""Words of names of things: an agency name is not the name of a person."""
AMOUNTS = _each("share percent pct rate count number avg average total pop population")
"""Words of figures about many persons."""
GIVEN_NAMES = _each(
    "james robert john michael david william richard joseph thomas charles christopher daniel matthew anthony mark"
    " donald steven paul andrew joshua kenneth kevin brian george timothy ronald edward jason jeffrey ryan jacob gary"
    " nicholas eric jonathan stephen larry justin scott brandon benjamin samuel gregory alexander patrick frank"
    " raymond jack dennis jerry tyler aaron jose adam nathan henry zachary douglas peter kyle noah ethan jeremy walter"
    " keith mary patricia jennifer linda elizabeth barbara susan jessica karen sarah lisa nancy sandra betty ashley"
    " emily kimberly margaret donna michelle carol amanda melissa deborah stephanie rebecca sharon laura cynthia"
    " dorothy amy kathleen angela shirley brenda emma anna pamela nicole samantha katherine christine helen debra"
    " rachel carolyn janet maria catherine heather diane olivia julie joyce ruth juan carlos luis miguel pedro ana rosa"
)
"""Frequent given names of the United States; some columns of names have none of them."""
