-- Agency HDC: files PERSON, PRENATAL and ANC of the 43 standard files, cut to the columns that this exercise needs.
-- Every value is text. Dates are CE, YYYYMMDD, and d_update is YYYYMMDDHHMMSS. Blank and NULL both mean not recorded.
-- There are no foreign keys on purpose: each facility sends its files by itself. The binary collation compares texts
-- as they are, so that 02 is not 2 and a Thai digit is not an Arabic one.

CREATE TABLE person (
    hospcode  VARCHAR(5)  NOT NULL,
    pid       VARCHAR(15) NOT NULL,
    cid       VARCHAR(40),
    sex       VARCHAR(1),
    birth     VARCHAR(8),
    typearea  VARCHAR(1),
    discharge VARCHAR(1),
    d_update  VARCHAR(14) NOT NULL,
    PRIMARY KEY (hospcode, pid),
    KEY person_cid (cid)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE prenatal (
    hospcode VARCHAR(5)  NOT NULL,
    pid      VARCHAR(15) NOT NULL,
    gravida  VARCHAR(2)  NOT NULL,
    lmp      VARCHAR(20),
    edc      VARCHAR(20),
    d_update VARCHAR(14) NOT NULL,
    PRIMARY KEY (hospcode, pid, gravida)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE anc (
    hospcode  VARCHAR(5)  NOT NULL,
    pid       VARCHAR(15) NOT NULL,
    seq       VARCHAR(16) NOT NULL,
    date_serv VARCHAR(8),
    gravida   VARCHAR(2)  NOT NULL,
    ancno     VARCHAR(1),
    ga        VARCHAR(30),
    d_update  VARCHAR(14) NOT NULL,
    PRIMARY KEY (hospcode, pid, seq),
    KEY anc_pregnancy (hospcode, pid, gravida)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
