/* Texts, JSON and the last words. */
#include "launcher.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *allocate(void *old, size_t bytes) {
  void *memory = realloc(old, bytes);
  if (memory == NULL) fail("out of memory");
  return memory;
}

/** What a daemon or a caller chose must not steer the terminal: C0, DEL and the two-byte form of C1 become `?`. */
static void make_printable(char *text) {
  for (unsigned char *byte = (unsigned char *)text; *byte; byte++) {
    if (*byte < 0x20 || *byte == 0x7f) *byte = '?';
    if (*byte == 0xc2 && byte[1] >= 0x80 && byte[1] < 0xa0) byte[0] = byte[1] = '?';
  }
}

_Noreturn void fail(const char *format, ...) {
  char message[4096];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  make_printable(message);
  fprintf(stderr, "trireme: %s: the command was not run\n", message);
  exit(NOT_RUN);
}

static void append_bytes(struct text *text, const char *bytes, size_t count) {
  if (text->length + count + 1 > text->capacity) {
    text->capacity = 2 * (text->length + count + 1);
    text->bytes = allocate(text->bytes, text->capacity);
  }
  memcpy(text->bytes + text->length, bytes, count);
  text->length += count;
  text->bytes[text->length] = 0;
}

void append(struct text *text, const char *bytes) { append_bytes(text, bytes, strlen(bytes)); }

void append_json(struct text *text, const char *word) {
  append(text, "\"");
  for (; *word; word++) {
    char escaped[8];
    unsigned char byte = (unsigned char)*word;
    if (byte < 0x20 || byte == '"' || byte == '\\') {
      snprintf(escaped, sizeof escaped, "\\u%04x", byte);
      append(text, escaped);
    } else {
      append_bytes(text, word, 1);
    }
  }
  append(text, "\"");
}

void append_json_list(struct text *text, const char *name, const struct words *words) {
  append_json(text, name);
  append(text, ":[");
  for (size_t index = 0; index < words->count; index++) {
    if (index > 0) append(text, ",");
    append_json(text, words->items[index]);
  }
  append(text, "]");
}

/** A character beyond the basic plane comes as two escapes, which become two `?`. */
static void append_code_point(struct text *text, unsigned code) {
  char utf8[4] = {0};
  if (code < 0x80) {
    utf8[0] = (char)code;
  } else if (code < 0x800) {
    utf8[0] = (char)(0xc0 | code >> 6), utf8[1] = (char)(0x80 | (code & 0x3f));
  } else if (code >= 0xd800 && code < 0xe000) {
    utf8[0] = '?';
  } else {
    utf8[0] = (char)(0xe0 | code >> 12), utf8[1] = (char)(0x80 | (code >> 6 & 0x3f));
    utf8[2] = (char)(0x80 | (code & 0x3f));
  }
  append(text, utf8[0] == 0 ? "?" : utf8);
}

char *json_message(const char *json) {
  static const char NAME[] = "\"message\":\"";
  const char *found = strstr(json, NAME);
  if (found == NULL) return NULL;
  struct text message = {0};
  append(&message, "");
  for (const char *at = found + sizeof NAME - 1; *at && *at != '"'; at++) {
    unsigned code = 0;
    if (*at != '\\') {
      append_bytes(&message, at, 1);
    } else if (*++at == 'u' && sscanf(at + 1, "%4x", &code) == 1 && strlen(at) > 4) {
      append_code_point(&message, code);
      at += 4;
    } else if (*at == 'n' || *at == 't' || *at == 'r') {
      append(&message, " ");
    } else if (*at == 0) {
      break;
    } else {
      append_bytes(&message, at, 1);
    }
  }
  return message.bytes;
}
