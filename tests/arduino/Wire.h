// I2C, with an MPU6050's registers at its end. Every 50th read of the samples fails, as with a loose wire.
#pragma once
#include "Arduino.h"

struct Bus {
  uint8_t registers[128] = {};
  uint8_t written[2], count = 0, at = 0;
  int reads = 0;
  Bus() {
    registers[0x75] = 0x68;
  }
  void begin() {}
  void setClock(uint32_t) {}
  void beginTransmission(uint8_t address) {
    if (address != 0x68) exit(4);
    count = 0;
  }
  void write(uint8_t value) { written[count++] = value; }
  uint8_t endTransmission(bool = true) {
    at = written[0];
    if (count == 2) registers[at] = written[1];
    return 0;
  }
  uint8_t requestFrom(uint8_t, uint8_t wanted) {
    if (at != 0x3B) return wanted;
    bool is_set = registers[0x6B] == 1 && registers[0x1A] == 3 && registers[0x19] == 9;
    if (!is_set || registers[0x1B] != 0 || registers[0x1C] != 0) exit(5);
    const int16_t axes[7] = {-32768, 32767, (int16_t)(16384 + reads), 1234, 131, -131, (int16_t)-reads};
    for (int i = 0; i < 7; i++) {
      registers[0x3B + 2 * i] = (uint16_t)axes[i] >> 8;
      registers[0x3C + 2 * i] = axes[i] & 0xFF;
    }
    return ++reads % 50 ? wanted : 0;
  }
  uint8_t read() { return registers[at++]; }
};
static Bus Wire;
