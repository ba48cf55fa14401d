"""ส่งสำเนาทะเบียนไปที่เก็บสำรอง (ยังไม่เปิดใช้)"""

BUCKET = "satit-facility-backup"
ACCESS_KEY_ID = "AKIASATHITTRAINEE97Q"


def target(day):
    return f"s3://{BUCKET}/{day.isoformat()}/chospital.csv"
