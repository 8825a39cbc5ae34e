"""Headers under which agencies and police-data projects publish what the shipped contracts name. Facts, no tests."""


def _each(headers: str) -> list[str]:
    return [header.strip() for header in headers.split("|")]


_OFFICER_ID = _each(
    "OFFICER_EMPLOYEE_NUMBER | OfficerIDNo | Ofcr_ID | OFFCR ID | EMP_NO | EmplID | Employee ID Number | officerid"
    " | Officer Identifier | Reporting Officer ID | PrimaryOfficerID | EMPLOYEE_NUM | Emp ID | Officer DID | EE Number"
    " | ReportingOfficerIdentificationID | Offnum"
)

HEADERS: dict[str, dict[str, list[str]]] = {
    "officer_detail": {
        "officer_id": _OFFICER_ID,
        "badge_number": _each(
            "BDGNO | Badge Num | STAR# | OFC_BADGE_NO | Officer Badge Number | SHIELD_NUMBER | Star | Shield #"
            " | BadgeNumber1 | Current Star"
        ),
        "last_name": _each(
            "LAST_NME | LNAME | LastNm | EMP_LAST_NAME | l_name | Officer Lastname | Name Last | NAMELAST"
        ),
        "first_name": _each(
            "FIRST_NME | FNAME | f_name | Officer First | EMP_FIRST_NAME | FirstNm | agencyOfficerNameFirst | Forename"
        ),
        "middle_initial": _each("MINTL | Middle Init | M.I. | MIDDLE_INITIAL_NME | Mid Init | Officer Middle Initial"),
        "email": _each("E-Mail | Work Email Address | EMAIL_ADDR | OfficerEmail | E-mail Address | Mail"),
        "dob": _each("Birthdate | BIRTH_DT | Date Of Birth (DOB) | BirthDay | OfficerDOB | DateofBirth1 | BRTH_DT"),
        "hire_date": _each(
            "APPOINTED_DATE | Hired On | HireDt | DOH | CURRENT_HIRE_DATE | OFFICER_HIRE_DATE | Date Appointed"
            " | hire_dt | Orig Hire Date | FORCE_HIRE_DT"
        ),
        "termination_date": _each(
            "TermDt | Employment Ended On | DATE_OF_TERMINATION | Left Date | Date Left | SEPARATION_DT"
            " | RESIGNATION_DATE | End Date of Employment | DATE TERMINATED"
        ),
        "rank": _each("RANK_DESC | Position Rank | Officer Rank | Current Rank | RankCode | RNK | Title"),
        "unit": _each("UNIT_DESCR | Assigned Unit | CPD_UNIT_ASSIGNED | Unit Name | UNITASGDESC | CurrentUnit"),
        "employment_status": _each(
            "EMP_STATUS | Active Status | STATUS_I | Empl Status | EmploymentStat | Status Desc"
        ),
        "race_ethnicity": _each(
            "RACE_DESCRIPTION | Race/Ethnic Group | EEO Race Ethnicity | OFF RACE | OfficerRac | Race Code | emp_race"
        ),
        "sex": _each("SEX_CODE_CD | Gender Code | OFF SEX | OfficerSex | GENDER_DESC | EMP_GENDER | gndr"),
        "salary": _each(
            "ANNUAL_PAY | Base Annual Pay | Yearly Salary | SalaryAmt | Annual Sal | 2018_SALARY | Annual Rate Of Pay"
        ),
    },
    "traffic_stops": {
        "stop_id": _each(
            "STOP_NUM | StopIdentifier | Traffic Stop ID | STOP NBR | stopno# | STOP_KEY_ID | Stop Record ID"
        ),
        "stop_date": _each(
            "DateOfTrafficStop | STOP_DT | Stop Dt. | DATE_STOPPED | Traffic Stop Date | VIOLATION_DATE | ContactDate"
            " | stopped_on | Occ Date | Event Date"
        ),
        "stop_time": _each(
            "STOP_TM | TimeOfTrafficStop | Time Stopped | ContactTime | violTime | Stop Time (24h) | OCC_TIME"
        ),
        "officer_id": _OFFICER_ID,
        "stop_location": _each(
            "Location Of Stop | StopLoc | STOP_LOCATION_STREET | INCIDENT_ADDRESS | Violation_Location | Stop Address"
            " | Location Description | HA_ROAD_LOC"
        ),
        "driver_race": _each(
            "Race Of Driver | DRVR_RACE | Driver Ethnicity | SubjectRaceCode | DRIVER_RACE_DESC | Subject Race"
            " | Perceived Race | Motorist Race | Person_Race"
        ),
        "driver_sex": _each(
            "Sex Of Driver | DRVR SEX | Driver Gender Code | SubjectSex | Motorist Gender | Person_Gender"
        ),
        "driver_age": _each("AGE OF DRIVER | DriverAge_At_Stop | SubjectAge | drvr_age | Motorist Age | persons_age"),
        "stop_purpose": _each(
            "Stop Purpose Description | STOP_REASON_CD | ReasonForTheStop | INITIAL PURPOSE OF STOP | stop_cause"
            " | ContactReason | StatutoryReasonForStop | Purpose Desc"
        ),
        "search_conducted": _each(
            "Was A Search Conducted | SEARCH_YN | SearchOccur | Search Performed | Search_Conducted_Ind | Search?"
            " | Vehicle/Person Searched | WasSearched"
        ),
        "search_type": _each(
            "TypeOfSearch | SEARCH_TYPE_DESC | Search Authority | Search Reason | SearchRationale | search_based_on"
        ),
        "contraband_found": _each(
            "ContrabandIndicator | CONTRABAND_FOUND_I | Was Contraband Found | Contraband Y/N | ContrabandDiscovered"
            " | HA_CONTRABAND"
        ),
        "engage_force": _each("ForceUsedInd | Was Force Used | FORCE_YN | Officer Used Force | UOF | Force Engaged"),
        "outcome": _each(
            "OUTCOME OF STOP | ResultOfStop | STOP_OUTCOME | Stop Disposition | RESULT_CD | ResultOfEncounter"
            " | Outcome Description | Enforcement Outcome"
        ),
    },
    "complaints": {
        "complaint_id": _each(
            "COMPLAINT_TRACKING_NUMBER | Complaint Case No | CMPLNT_ID | IA Complaint # | ComplaintNum | CASE_NUM"
            " | PIB Complaint Number | Case Id"
        ),
        "officer_id": _OFFICER_ID,
        "allegation": _each(
            "ALLEGATION_DESC | Allegation Made | Alleged Misconduct | AllegationName | Allegation Type"
            " | Type of Complaint or Allegation | ALLEG"
        ),
        "received_date": _each(
            "RECEIVED_DT | Complaint Received Date | Recd Date | DATE_RECEIVED_BY_IAD | Receipt Date | Date Recvd"
            " | Received On | RCVD_DT"
        ),
        "closed_date": _each(
            "CLOSED_DT | Case Closed Date | Date Case Closed | Closing Date | Close Dt | ClosedOn | Date of Completion"
            " | Investigation Completed Date"
        ),
        "disposition": _each(
            "FINAL_DISPOSITION | Disposition Desc | DISP | Finding Outcome | Allegation Disposition | FINDING_DESC"
            " | Case Disposition | Investigation Disposition"
        ),
        "penalty": _each(
            "PENALTY_IMPOSED | Final Discipline | Discipline Imposed | Discipline Action | Penalty Desc | Disc. Penalty"
        ),
    },
    "training": {
        "officer_id": _OFFICER_ID,
        "course_code": _each("COURSE_NBR | Course # | CrsCode | Class Code | CourseIdent | COURSE CD"),
        "completed_on": _each(
            "COMPLETION_DT | Date of Completion | CompletedDate | Course Completion Date | Completed | Finish Date"
            " | Training Completed Date"
        ),
        "course_name": _each(
            "COURSE_NM | Course Desc | Class Title | CourseDescription | Training Course Name | Class Name"
        ),
        "category": _each(
            "COURSE_CATEGORY_DESC | Training Category | Cat | CategoryName | Course Type | Category Desc"
        ),
        "hours": _each("CREDIT_HRS | Training Hours | Hrs Completed | TotalHours | Contact Hours | CE Hours | HRS"),
        "score": _each("TEST_SCORE | Exam Score | Score % | FinalScore | Course Score | Score Pct"),
        "passed": _each("PASSED_YN | Passed? | Pass Ind | DidPass | Pass/Fail Status | HAS_PASSED"),
        "expires_on": _each(
            "EXP_DT | Cert Expiration Date | Expires | Certification Expires | ExpireDate | EXPIRATION_DT"
        ),
    },
    "employment_history": {
        "officer_id": _OFFICER_ID,
        "employer": _each(
            "Employing Agency | AGENCY_NM | EmployerName | Law Enforcement Agency Name | Employed By | AgencyDesc"
            " | DEPARTMENT_NAME"
        ),
        "state": _each("AGENCY_ST | State Abbr | Employer State | StateCd | ST | State of Employment"),
        "start_date": _each(
            "Employment Start Date | START_DT | Date Started | HIRE_DT | StartedOn | Begin Date | Effective Start"
        ),
        "end_date": _each(
            "Employment End Date | END_DT | Date Ended | Ending Date | LEFT_DATE | Thru Date | EndedOn | SEPARATION_DT"
        ),
        "employment_type": _each("EMP_TYPE | Type of Employment | Employee Type | EmplType | Employment Category"),
        "separation_reason": _each(
            "REASON FOR SEPARATION | SEP_REASON | Separation Rsn | Reason Left | Termination Reason | LEFT_REASON"
            " | Separation Reason Desc"
        ),
    },
    "use_of_force": {
        "incident_id": _each(
            "INCIDENT_NUM | UOF Incident # | IncidentKey | INC_NO | Incident Report Number | UOF_CASE_NUM"
        ),
        "officer_id": _OFFICER_ID,
        "subject_number": _each("SUBJ_NO | Subject # | SubjectID | SUBJECT_NBR | Subject Number in Incident"),
        "occurred_at": _each("OCCURRED_DT_TM | Incident Date Time | OccurredDateTime | INCIDENT_DT | Occurrence Date"),
        "force_type": _each(
            "UOF_TYPE_OF_FORCE_USED | ForceType1 | Force Used By Officer | Use Of Force Type | Force Category"
        ),
        "reason": _each(
            "REASON_FORCE_USED | Reason For Using Force | UOF Reason | ReasonDesc | Use of Force Reason | FORCE_RSN"
        ),
        "subject_race": _each(
            "SUBJ_RACE | CIT_RACE | Citizen Race | Civilian Race | Race of Subject | SuspectRace | Subject Ethnicity"
        ),
        "subject_sex": _each(
            "SUBJ SEX | Citizen Gender | Civilian Sex | Suspect Gender | SubjectGender1 | Sex of Subject"
        ),
        "subject_age": _each("SUBJ_AGE | Citizen Age | Age of Suspect | CIVILIAN_AGE | SubjectAge_At_Incident"),
        "subject_injured": _each(
            "SUBJ_INJ | Citizen Was Injured Y/N | Subject Injury | Civilian Injured | Subject Injured?"
        ),
        "officer_injured": _each(
            "OFF_INJURED | Officer Was Injured Y/N | Officer Injury | Employee Injured | Ofcr Inj"
        ),
        "city": _each("CITY_NM | Incident City | City Name | CityTown"),
    },
}
"""By dataset and column: headers of published tables, and those that their authors map to one name."""

ADDED: dict[str, dict[str, list[str]]] = {
    "officer_detail": {
        "Recognition Count": ["0", "3", "11"],
        "RANK_DATE": ["2011-04-03", "2019-10-20"],
        "Last Promotion Date": ["2018-02-01", "2022-06-30"],
        "Rehire Date": ["2020-01-15", "2021-07-01"],
        "DOBYEAR": ["1971", "1988", "1990"],
        "Years of Service": ["4", "12", "25"],
        "Overtime Pay": ["1200.50", "8000", "0"],
        "Supervisor Last Name": ["Samplequz", "Sampletez"],
        "Separation Reason": ["Retired", "Moved", ""],
        "Name Suffix": ["", "JR", "III"],
        "Division": ["Patrol", "Records"],
        "Sworn": ["Y", "N"],
        "ZIP": ["70112", "27514"],
        "Rank Order": ["1", "2", "7"],
        "Race Sex": ["WM", "BF", "HM"],
        "Emergency Contact": ["Samplewix", "Samplezor"],
    },
    "traffic_stops": {
        "Officer Race": ["White", "Black", "Asian"],
        "OFF_AGE_AT_STOP": ["28", "44", "39"],
        "Officer Gender": ["M", "F"],
        "DriverDOB": ["3/4/1980", "7/21/1992"],
        "Passenger Age": ["19", "41"],
        "Stop Duration": ["10", "25", "40"],
        "Arrest Made": ["Yes", "No"],
        "CITATION_DATE": ["1/5/2026", "1/20/2026"],
        "Vehicle Make": ["FORD", "TOYT"],
        "Citation Number": ["T1002", "T1003"],
        "Consent Search": ["Yes", "No"],
        "Driver City": ["Reno", "Elko"],
        "Time Cleared": ["08:15", "22:40"],
        "Search Duration": ["5", "12"],
        "Driver License State": ["NC", "VA"],
        "Canine Used": ["Yes", "No"],
        "Vehicle Searched": ["Yes", "No"],
    },
    "complaints": {
        "Officer Race": ["White", "Black"],
        "Officer Rank": ["Sergeant", "Officer"],
        "Assigned Investigator": ["Samplebex", "Samplegaz"],
        "Assigned Date": ["2026-01-09", "2026-02-01"],
        "Days Open": ["12", "31"],
        "Letter Sent Date": ["2026-02-20", "2026-03-01"],
        "Directive": ["4.1", "7.2"],
        "Complainant Type": ["Citizen", "Rank"],
        "Witness Officer ID": ["DUR00077", "DUR00078"],
        "Penalty Days": ["0", "3"],
        "Appeal Outcome": ["Upheld", "Overturned", ""],
        "BWC Video": ["Y", "N"],
        "Beat": ["11", "32"],
        "Last Updated Date": ["2026-03-02", "2026-03-03"],
    },
    "training": {
        "Instructor": ["Samplebex", "Sampledov"],
        "Instructor ID": ["77", "78"],
        "Registration Date": ["2025-01-01", "2025-02-11"],
        "Course Location": ["Academy", "Range 2"],
        "Attempts": ["1", "2"],
        "Certificate Number": ["C100", "C101"],
        "Mandatory": ["Yes", "No"],
        "Course Version": ["1", "2"],
        "Last Modified": ["2026-01-01", "2026-01-03"],
        "Minimum Score": ["70", "80"],
        "Cert Level": ["Basic", "Advanced"],
        "Hours Required": ["8", "16"],
    },
    "employment_history": {
        "Certification Date": ["3/4/2001", "5/6/2010"],
        "Cert Number": ["A77", "B78"],
        "Officer Name": ["Samplebex, Dov", "Samplegaz, Jup"],
        "County": ["Durham", "Wake"],
        "Years Served": ["3", "7"],
        "Status Date": ["1/1/2022", "2/2/2023"],
        "Agency Type": ["Sheriff", "Municipal"],
        "Final Pay": ["45000", "51000"],
        "Academy Start": ["1/7/1999", "2/3/2003"],
        "Certification Status": ["Active", "Lapsed"],
    },
    "use_of_force": {
        "Officer Race": ["White", "Black"],
        "Officer Age": ["31", "45"],
        "Subject Weight": ["150", "210"],
        "Subject Arrested": ["Yes", "No"],
        "Officer Hospitalized": ["Yes", "No"],
        "Weather": ["Clear", "Rain"],
        "Officer Hire Date": ["2011-02-03", "2018-07-01"],
        "Subject DOB": ["1990-01-02", "1985-03-04"],
        "Resistance Type": ["Passive", "Active"],
        "Report Date": ["2026-01-05", "2026-01-09"],
        "Number of Subjects": ["1", "2"],
        "Distance": ["1", "3"],
        "Effective": ["Yes", "No"],
        "Officer Sex": ["M", "F"],
        "Arrest Reason": ["Assault", "Warrant"],
    },
}
"""By dataset: headers that are none of its columns, some near to them, with values to fill in turn."""

MERGED: dict[str, list[tuple[tuple[str, ...], dict[str, list[str]]]]] = {
    "officer_detail": [
        (("first_name", "middle_initial"), {"First and Middle Name": ["Dov Q", "Bex W"]}),
        (("hire_date", "termination_date"), {"Dates of Service": ["2001-2012", "1999-2004"]}),
        (("race_ethnicity", "sex"), {"RaceSex": ["WM", "BF", "HM"]}),
        (("dob",), {"Birth Month": ["1", "12"], "Birth Day": ["3", "28"], "Birth Year": ["1970", "1981"]}),
    ],
    "traffic_stops": [
        (("stop_time",), {"Stop Hour": ["3", "14"], "Stop Minute": ["10", "59"]}),
        (("driver_race", "driver_sex"), {"Driver Race/Sex": ["W/M", "B/F"]}),
        (("stop_location",), {"Stop Street Number": ["100", "2400"], "Stop Zip": ["27514", "27701"]}),
    ],
    "complaints": [(("received_date", "closed_date"), {"Received - Closed": ["2026-01-02 - 2026-02-03"]})],
    "training": [(("course_name", "category"), {"Course Name and Category": ["First aid (FIRST AID)"]})],
    "employment_history": [(("start_date", "end_date"), {"Employment Dates": ["1/1/2001 - 2/2/2005", "3/4/2010 - "]})],
    "use_of_force": [(("subject_race", "subject_sex"), {"Subject Race & Sex": ["White Male", "Black Female"]})],
}
"""By dataset: columns that several became one, or one several; no single header is one of them."""
