-- Agency FACILITY: the facility register as its owner keeps it.
-- Every value is text, as in the 43 standard files; char(n) columns are padded with blanks by the database.
-- There are no foreign keys on purpose: the register holds codes that its code tables do not know.

CREATE TABLE chostype (
    hostype  char(2) PRIMARY KEY,
    typename text NOT NULL
);

CREATE TABLE carea (
    areacode  char(6) PRIMARY KEY,
    prov_th   text NOT NULL,
    dist_th   text NOT NULL,
    tambon_th text NOT NULL
);

CREATE TABLE chospital (
    hoscode     char(5) PRIMARY KEY,
    hoscodenew  char(9),
    hosname     text NOT NULL,
    hostype     char(2),
    provcode    char(2) NOT NULL,
    distcode    char(2) NOT NULL,
    subdistcode char(2) NOT NULL,
    mu          char(2),
    postcode    char(5),
    bed         text,
    tel         text,
    closed_date char(8),
    d_update    char(14) NOT NULL
);
