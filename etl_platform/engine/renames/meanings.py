"""Words of column names: one word for each meaning, and what a word says of a column. Tables only, lower case."""


def _each(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _one_meaning(table: dict[str, str]) -> dict[str, str]:
    """By each word, the meaning; the words of a meaning are separated by blanks."""
    return {word: meaning for meaning, words in table.items() for word in words.split()}


MEANINGS = _one_meaning(
    {
        "number": "no nr nbr num nmbr numb numero numbers",
        "id": "ident identifier identification uid ids key",
        "code": "cd cde codes codigo",
        "count": "cnt qty quantity",
        "date": "dt day dte on fecha",
        "time": "tm hora",
        "date time": "datetime dttm dtm timestamp",
        "name": "nm nme nam nombre names",
        "description": "desc descr descrip describe",
        "indicator": "ind yn flag flg i",
        "type": "typ kind tipo",
        "category": "cat categ ctgry",
        "title": "titl",
        "amount": "amt",
        "year": "yr ano anio",
        "age": "edad ages",
        "hour": "hrs hr hours hour",
        "percent": "pct percentage",
        "location": "loc place address addr lugar locn site addrss",
        "officer": "off ofc ofcr offr offcr oficial agente trooper deputy offcer",
        "employee": "emp empl ee employment employed emplmt",
        "driver": "motorist drv drvr conductor operator",
        "subject": "citizen civilian suspect subj cit person persons individual susp",
        "supervisor": "supv supvr sup",
        "investigator": "invest invstgtr",
        "last name": "surname lname lastname lnam apellido lstname",
        "first name": "forename fname firstname fnam frstname",
        "middle initial": "mi mintl minit",
        "birth date": "dob birthdate birthday",
        "birth": "nacimiento brth born",
        "hire date": "doh hiredate",
        "sex": "gender gndr gend sexo",
        "race": "ethnicity eth ethnic racial raza ethnicities",
        "department": "dept dpt",
        "employer": "employing emplr",
        "start": "begin began begun from started begins beginning strt inicio",
        "end": "until ended ending ends to thru fin",
        "finish": "finished fnsh",
        "hire": "hired appointed appointment appt hiring contratacion",
        "termination": "separation separated terminated term left leaving resignation resigned departure sep leave",
        "complete": "completed completion cmpl completes completing",
        "expire": "expires expiry expiration expired exp",
        "receive": "received recd rcvd recvd recv receipt",
        "close": "closed closing clsd",
        "assign": "assigned assignment assgn asg asgn assgnmt",
        "disposition": "outcome disp finding result findings resultado dispo outcm results resolution",
        "reason": "purpose cause rsn razon motivo basis rationale purp",
        "salary": "pay wage sal salario sueldo",
        "annual": "yearly anl",
        "vehicle": "veh car vhcl",
        "badge": "shield star bdg placa",
        "rank": "rango rnk",
        "email": "mail correo emails",
        "unit": "unidad",
        "course": "crs crse curso class",
        "city": "ciudad",
        "state": "st",
        "status": "stat sts",
        "complaint": "cmplnt compl complnt",
        "allegation": "alleg alleged allegations misconduct",
        "search": "searched srch searches",
        "injured": "injury inj injuries injure",
        "force": "frc",
        "use force": "uof",
        "use": "used uses",
        "maximum": "max",
        "minimum": "min",
        "text": "txt",
        "incident": "inc incid",
        "penalty": "pnlty discipline disciplinary disc",
        "contraband": "contrab",
        "pass": "passed passing",
        "occurred": "occurrence occ occur occurs",
        "find": "found discovered fnd",
    }
)
"""Abbreviations, forms of a word, words that agencies use for the same, and Spanish ones."""

FILLERS = _each("of the a an in at is was were did has for by and or with s de del la el y")
"""Words without a meaning of their own."""
DETAILS = _each(
    "name code description indicator value final current info field primary full agency data amount total "
    "reporting tracking police department nature action given earned present text conducted performed "
    "made perform observed imposed taken main abbr percent perceived assign initial use test exam"
)
"""Words that rarely make another column of one."""
KINDS = _each("id number date time type title group")
"""Words for what a column holds."""
EVENTS = _each(
    "stop incident event occurred contact encounter record traffic case violation viol investigation enforcement"
)
"""Words for what a row is about, which agencies exchange for one another."""
ROLES = _each(
    "officer employee driver subject passenger witness supervisor investigator instructor complainant "
    "victim vehicle owner defendant reviewer spouse emergency trainer parent"
)
"""Whose column it is: the race of an officer is never that of a driver."""
NEAR = tuple(
    frozenset(words.split())
    for words in (
        "id number code",
        "driver subject",
        "officer employee",
        "finish complete",
        "finish end",
        "category type",
        "name title description",
        "rank title position",
        "location street",
    )
)
"""Words that are often the same column, and not always."""
PHRASES = {
    **dict.fromkeys(("number of", "count of", "no of", "num of", "nbr of"), "count"),
    "f name": "first name",
    "l name": "last name",
    "family name": "last name",
    "given name": "first name",
    "m i": "middle initial",
    "e mail": "email",
    "employed by": "employer",
}
"""Openings of names that mean other words: the number of subjects is not the number of a subject."""
