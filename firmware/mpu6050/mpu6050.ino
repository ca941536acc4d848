// An MPU6050 on I2C, a line a sample at 100 Hz: M,COUNTER,AX,AY,AZ,GX,GY,GZ*CC
//
// The six numbers are the sensor's own 16-bit integers: 16384 a g (full scale +-2 g), 131 a deg/s (+-250 deg/s).
// CC is CRC-8 (polynomial 0x07, from 0) of what stands before the asterisk. Lines that begin with # are remarks.
// Wiring: docs/gesture.md.

#include <Wire.h>

const uint32_t BAUD = 115200;
const uint32_t PERIOD_US = 10000;  // 100 Hz
const uint8_t ADDRESS = 0x68;      // 0x69 where AD0 is tied to VCC

const uint8_t SMPLRT_DIV = 0x19, CONFIG = 0x1A, GYRO_CONFIG = 0x1B, ACCEL_CONFIG = 0x1C;
const uint8_t ACCEL_XOUT_H = 0x3B, PWR_MGMT_1 = 0x6B, WHO_AM_I = 0x75;

uint16_t counter = 0;
uint32_t due = 0;

bool writeRegister(uint8_t reg, uint8_t value) {
  Wire.beginTransmission(ADDRESS);
  Wire.write(reg);
  Wire.write(value);
  return Wire.endTransmission() == 0;
}

bool readRegisters(uint8_t reg, uint8_t *into, uint8_t count) {
  Wire.beginTransmission(ADDRESS);
  Wire.write(reg);
  if (Wire.endTransmission(false) != 0 || Wire.requestFrom(ADDRESS, count) != count) {
    return false;
  }
  for (uint8_t i = 0; i < count; i++) {
    into[i] = Wire.read();
  }
  return true;
}

bool begin() {
  uint8_t who = 0;
  if (!readRegisters(WHO_AM_I, &who, 1)) {
    Serial.println(F("# no answer on I2C at 0x68: check VCC, GND, SDA and SCL"));
    return false;
  }
  if (who != 0x68) {  // clones and relatives, such as the MPU6500 (0x70), have the same registers
    Serial.print(F("# WHO_AM_I is 0x"));
    Serial.print(who, HEX);
    Serial.println(F(", not 0x68: no genuine MPU6050; going on"));
  }
  bool ok = writeRegister(PWR_MGMT_1, 0x80);  // reset
  delay(100);
  ok = ok && writeRegister(PWR_MGMT_1, 0x01);    // awake, clocked by the gyroscope
  ok = ok && writeRegister(CONFIG, 0x03);        // low pass at 44 Hz: below half the sample rate
  ok = ok && writeRegister(SMPLRT_DIV, 9);       // 1 kHz / (1 + 9)
  ok = ok && writeRegister(GYRO_CONFIG, 0x00);   // +-250 deg/s
  ok = ok && writeRegister(ACCEL_CONFIG, 0x00);  // +-2 g
  if (!ok) {
    Serial.println(F("# the sensor took no settings: check the wires"));
    return false;
  }
  delay(50);
  Serial.println(F("# MPU6050, 100 Hz, 2 g, 250 deg/s"));
  return true;
}

void setup() {
  Serial.begin(BAUD);
  Wire.begin();
  Wire.setClock(400000);
#if defined(WIRE_HAS_TIMEOUT)
  Wire.setWireTimeout(3000, true);  // a loose wire would hang the bus for good
#endif
  while (!begin()) {
    delay(1000);
  }
  due = micros();
}

uint8_t checksum(const char *text) {
  uint8_t crc = 0;
  while (*text) {
    crc ^= (uint8_t)*text++;
    for (uint8_t bit = 0; bit < 8; bit++) {
      crc = (crc & 0x80) ? (uint8_t)(crc << 1) ^ 0x07 : (uint8_t)(crc << 1);
    }
  }
  return crc;
}

int16_t word16(const uint8_t *bytes) {
  return (int16_t)(((uint16_t)bytes[0] << 8) | bytes[1]);
}

void loop() {
  if ((int32_t)(micros() - due) < 0) {
    return;
  }
  due += PERIOD_US;  // by the clock: what one sample takes delays no other
  if ((int32_t)(micros() - due) > 100000L) {
    due = micros();  // after a long pause, don't send a heap at once
  }

  uint8_t bytes[14];
  uint16_t number = counter++;  // a sample that couldn't be read is a gap in the counter, which the reader tells
  static uint8_t failures = 0;
  if (!readRegisters(ACCEL_XOUT_H, bytes, 14)) {
    if (++failures >= 100) {
      failures = 0;
      while (!begin()) {
        delay(1000);
      }
      due = micros();
    }
    return;
  }
  failures = 0;

  char line[64];  // 8 + 6 * 7 + 3 at most
  // bytes[6] and [7] are the temperature.
  snprintf(line, sizeof line, "M,%u,%d,%d,%d,%d,%d,%d", number, word16(bytes), word16(bytes + 2), word16(bytes + 4),
           word16(bytes + 8), word16(bytes + 10), word16(bytes + 12));
  char tail[5];
  snprintf(tail, sizeof tail, "*%02X", checksum(line));
  Serial.print(line);
  Serial.println(tail);
}
