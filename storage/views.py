"""Views for people's own SQL, and the table of changed days that publishers follow beside new ids."""

# Publishers find new rows by their ids; these triggers record the device and UTC day of every other change.
CHANGES = ("""
    CREATE TABLE IF NOT EXISTS reading_changes (
        device_id TEXT NOT NULL,
        day TEXT NOT NULL,
        change_id INTEGER NOT NULL,
        has_deletions INTEGER NOT NULL,
        PRIMARY KEY (device_id, day)
    ) WITHOUT ROWID
""", "CREATE UNIQUE INDEX IF NOT EXISTS reading_changes_change_id ON reading_changes (change_id)")
RECORD_CHANGE = """
    INSERT INTO reading_changes (device_id, day, change_id, has_deletions)
    SELECT {row}.device_id, substr({row}.timestamp, 1, 10), coalesce(MAX(change_id), 0) + 1, {has_deletions}
    FROM reading_changes
    WHERE TRUE
    ON CONFLICT (device_id, day) DO UPDATE SET
        change_id = excluded.change_id,
        has_deletions = MAX(has_deletions, excluded.has_deletions);
"""
KEY_CHANGED = "old.id <> new.id OR old.device_id <> new.device_id OR old.timestamp <> new.timestamp"
TRIGGERS = (
    f"""
    CREATE TRIGGER IF NOT EXISTS readings_updated AFTER UPDATE ON readings
    BEGIN
        {RECORD_CHANGE.format(row="old", has_deletions=KEY_CHANGED)}
        {RECORD_CHANGE.format(row="new", has_deletions="0")}
    END
""", f"""
    CREATE TRIGGER IF NOT EXISTS readings_deleted AFTER DELETE ON readings
    BEGIN
        {RECORD_CHANGE.format(row="old", has_deletions="1")}
    END
""")

# MAX per device by a scan would read every row; this looks one up per device.
LATEST = """
    CREATE VIEW IF NOT EXISTS latest_readings AS
    WITH RECURSIVE device (device_id) AS (
        SELECT MIN(device_id)
        FROM readings
        UNION ALL
        SELECT (SELECT MIN(device_id) FROM readings WHERE device_id > device.device_id)
        FROM device
        WHERE device.device_id IS NOT NULL
    )
    SELECT readings.*
    FROM device
    CROSS JOIN readings
        ON readings.device_id = device.device_id
        AND readings.timestamp = (SELECT MAX(timestamp) FROM readings WHERE device_id = device.device_id)
"""
LOCAL = """
    CREATE VIEW IF NOT EXISTS readings_local AS
    SELECT
        CAST(strftime('%s', timestamp) AS INTEGER) AS epoch,
        datetime(timestamp, 'localtime') AS local_time,
        *
    FROM readings
"""
SUMMARIZED = ("temperature_celsius", "humidity_percent", "pm25_ugm3", "pm10_ugm3", "voc_index", "voc_ppb", "co_ppm",
              "co2_ppm", "iaq_score", "light_lux", "battery_level", "signal_strength")
MEASURES = ",\n".join(f"AVG({column}) AS {column}_mean, MIN({column}) AS {column}_min, MAX({column}) AS {column}_max, "
                      f"COUNT({column}) AS {column}_count" for column in SUMMARIZED)
DAILY = f"""
    CREATE VIEW IF NOT EXISTS daily AS
    SELECT
        device_id,
        date(timestamp, 'localtime') AS day,
        COUNT(*) AS readings,
        {MEASURES}
    FROM readings
    GROUP BY device_id, day
"""
# When the clock is set back one local hour occurs twice; its offset keeps the two apart.
HOURLY = f"""
    CREATE VIEW IF NOT EXISTS hourly AS
    SELECT
        device_id,
        strftime('%Y-%m-%d %H:00', timestamp, 'localtime') AS hour,
        (strftime('%s', timestamp, 'localtime') - strftime('%s', timestamp)) / 60 AS utc_offset_minutes,
        COUNT(*) AS readings,
        {MEASURES}
    FROM readings
    GROUP BY device_id, hour, utc_offset_minutes
"""
STATEMENTS = (*CHANGES, *TRIGGERS, LATEST, LOCAL, DAILY, HOURLY)
