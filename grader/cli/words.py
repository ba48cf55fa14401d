"""The few words that the command itself says; everything about a verdict is worded by the reports."""

import os
from collections.abc import Sequence

WORDS = {
    "what_to_do": {"th": "สิ่งที่ควรทำ", "en": "What to do"},
    "phase.intake": {"th": "รับไฟล์", "en": "Receiving"},
    "phase.build": {"th": "ติดตั้งแพ็กเกจ", "en": "Installing packages"},
    "phase.sandbox": {"th": "เตรียมหน่วยงานจำลอง", "en": "Preparing the agencies"},
    "phase.start": {"th": "เริ่มระบบ", "en": "Starting the app"},
    "phase.contract": {"th": "ตรวจตามสัญญา API", "en": "Testing the contract"},
    "phase.scenarios": {"th": "ตรวจตามสถานการณ์", "en": "Running the scenarios"},
    "phase.universal": {"th": "ตรวจข้อกำหนดทั่วไป", "en": "Universal checks"},
    "phase.privacy": {"th": "ตรวจข้อมูลส่วนบุคคล", "en": "Privacy checks"},
    "phase.restart": {"th": "เริ่มระบบใหม่", "en": "Starting again"},
    "phase.stop": {"th": "หยุดระบบ", "en": "Stopping the app"},
    "phase.teardown": {"th": "เก็บกวาด", "en": "Cleaning up"},
    "phase.retry": {"th": "ระบบตรวจขัดข้อง กำลังตรวจใหม่", "en": "The grader failed; trying again"},
    "again": {"th": "ตรวจซ้ำเพื่อยืนยัน", "en": "repeated to be sure"},
    "graded": {"th": "ตรวจแล้ว", "en": "graded"},
    "sample": {"th": "ตัวอย่างงาน", "en": "sample"},
    "expected": {"th": "คาดไว้", "en": "expected"},
    "got": {"th": "ได้", "en": "got"},
    "seconds": {"th": "วินาที", "en": "seconds"},
    "matches": {"th": "ตรง", "en": "as expected"},
    "differs": {"th": "ไม่ตรง", "en": "DIFFERS"},
    "pass_rate": {"th": "ร้อยละที่ผ่าน", "en": "Pass rate"},
    "people_note": {
        "th": "A = งานที่ผ่าน, B = งานที่ตรวจ (ตัวอย่างสาธิต ไม่ใช่ตัวชี้วัดจริง)",
        "en": "A = submissions that passed, B = submissions graded (a demonstration, not the real indicator)",
    },
    "outcome.pass": {"th": "ผ่าน", "en": "pass"},
    "outcome.fail": {"th": "ไม่ผ่าน", "en": "fail"},
    "outcome.build_failed": {"th": "สร้างไม่สำเร็จ", "en": "build failed"},
    "outcome.start_failed": {"th": "เริ่มระบบไม่สำเร็จ", "en": "start failed"},
    "outcome.rejected": {"th": "ไม่รับงาน", "en": "rejected"},
    "outcome.infrastructure": {"th": "ระบบตรวจขัดข้อง", "en": "grader fault"},
    "state.ok": {"th": "✓ พร้อม", "en": "✓ ok"},
    "state.warn": {"th": "! ควรแก้", "en": "! weak"},
    "state.fail": {"th": "✗ ไม่พร้อม", "en": "✗ not ready"},
    "lint.clean": {"th": "✓ ไม่พบปัญหา", "en": "✓ no problems"},
    "severity.error": {"th": "ต้องแก้", "en": "error"},
    "severity.warning": {"th": "ควรแก้", "en": "warning"},
    "level.beginner": {"th": "ระดับเริ่มต้น", "en": "beginner"},
    "level.basic": {"th": "ระดับพื้นฐาน", "en": "basic"},
    "level.intermediate": {"th": "ระดับกลาง", "en": "intermediate"},
    "level.advanced": {"th": "ระดับสูง", "en": "advanced"},
    "hours": {"th": "ชั่วโมง", "en": "h"},
    "pass_rule": {"th": "เกณฑ์ผ่าน", "en": "pass mark"},
    "unconfirmed": {"th": "ยังไม่ยืนยัน", "en": "unconfirmed"},
    "check": {"th": "รหัส", "en": "id"},
    "points": {"th": "คะแนน", "en": "points"},
    "title": {"th": "รายการตรวจ", "en": "check"},
    "star": {"th": "★ = ข้อบังคับผ่าน", "en": "★ = mandatory check"},
    "fix": {"th": "วิธีแก้", "en": "fix"},
    "setup.done": {"th": "พร้อมตรวจแล้ว", "en": "Ready to grade"},
}


def word(name: str, language: str) -> str:
    """A word in the reader's language."""
    return WORDS[name][language]


def phase_word(phase: str, language: str) -> str:
    """A phase of a grading in words; a repeated phase says so."""
    plain, _, again = phase.partition("-again")
    known = WORDS.get(f"phase.{plain}")
    text = known[language] if known else plain
    return f"{text} ({word('again', language)})" if phase.endswith("-again") and not again else text


def language_of(arguments: Sequence[str]) -> str:
    """The language asked for on a command line that may not even parse; Thai unless English was named."""
    for place, argument in enumerate(arguments):
        if argument == "--lang=en" or (argument == "--lang" and list(arguments[place + 1 : place + 2]) == ["en"]):
            return "en"
        if argument.startswith("--lang"):
            return "th"
    return "en" if os.environ.get("GRADER_LANG") == "en" else "th"
