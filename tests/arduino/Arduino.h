// Just enough of an Arduino, and of an MPU6050 behind it, to run the sketch on this machine: 300 samples of it.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#define F(text) text
#define HEX 16

static uint32_t now_us = 0;
inline uint32_t micros() { return now_us += 7; }
inline void delay(uint32_t ms) { now_us += ms * 1000; }

struct Printer {
  int lines = 0;
  void begin(uint32_t baud) {
    if (baud != 115200) exit(3);
  }
  void print(const char *text) { fputs(text, stdout); }
  void print(int number, int base) { printf(base == HEX ? "%X" : "%d", number); }
  void println(const char *text) {
    printf("%s\r\n", text);
    if (++lines > 300) exit(0);
  }
};
static Printer Serial;
