// The frozen "now" of the exercise, which is reported and decides nothing; and how times are written.

const BANGKOK_OFFSET_MS = 7 * 60 * 60 * 1000; // Thailand has no summer time

/** RFC 3339 in Thai time, whole seconds: 2026-11-22T08:00:00+07:00. */
export function thaiTimestamp(instant) {
  const shifted = new Date(instant.getTime() + BANGKOK_OFFSET_MS);
  return `${shifted.toISOString().slice(0, 19)}+07:00`;
}

export class Clock {
  /** asOf: RFC 3339 text with offset; when it is not set, now is the moment of the start. */
  constructor(asOf) {
    const instant = asOf ? new Date(asOf) : new Date();
    if (Number.isNaN(instant.getTime())) throw new Error('AS_OF is not an RFC 3339 time');
    this.asOf = thaiTimestamp(instant);
  }
}
