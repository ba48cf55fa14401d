// From a row of the register to the object of the contract. Pure: no clock, no database.

const THAI_DIGIT = /[๐-๙]/g;
const THAI_ZERO = '๐'.codePointAt(0);

/** row: columns as in register.js, codes trimmed; today: ISO date. */
export function facilityObject(row, today) {
  const closedDate = isoDate(row.closed_date);
  return {
    hoscode: row.hoscode,
    hoscodenew: textOrNull(row.hoscodenew),
    name: row.hosname,
    type: { code: row.hostype, name: row.typename },
    area: {
      areacode: row.areacode,
      province_name: row.prov_th,
      district_name: row.dist_th,
      tambon_name: row.tambon_th,
    },
    moo: textOrNull(row.mu),
    postcode: textOrNull(row.postcode),
    tel: textOrNull(row.tel),
    bed: bedCount(row.bed),
    closed_date: closedDate,
    is_open: closedDate === null || today < closedDate,
    updated_at: isoTimestamp(row.d_update),
  };
}

function textOrNull(text) {
  return text?.trim() || null;
}

function bedCount(text) {
  const digits = (text ?? '').trim().replace(THAI_DIGIT, (digit) => String(digit.codePointAt(0) - THAI_ZERO));
  return /^[0-9]+$/.test(digits) ? Number(digits) : null;
}

/** YYYYMMDD to YYYY-MM-DD. */
function isoDate(text) {
  return text === null ? null : text.replace(/^(.{4})(.{2})(.{2})$/, '$1-$2-$3');
}

/** YYYYMMDDHHMMSS, Thai time, to RFC 3339. */
function isoTimestamp(text) {
  return text.replace(/^(.{4})(.{2})(.{2})(.{2})(.{2})(.{2})$/, '$1-$2-$3T$4:$5:$6+07:00');
}
