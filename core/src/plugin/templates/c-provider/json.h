/* Just enough JSON for a plugin: is a text one whole document, and what are its members.
 *
 * Nothing is allocated, no byte outside the text is read, and the nesting is bounded. A text that passes is valid UTF-8,
 * so a string of it can be written into another document as it stands; people are told `json_text` of it. */
#ifndef JSON_H
#define JSON_H
#include "tidegate.h"
#include <stdio.h>
#include <string.h>

/* The text of one value, quotes and brackets included. `at` is NULL: there is none. */
typedef struct json { const uint8_t *at, *end; } json;

enum { JSON_DEPTH = 64 };
static const json JSON_NONE = {NULL, NULL};

static const uint8_t *json_space(const uint8_t *p, const uint8_t *end) {
  while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
  return p;
}

/* Four hexadecimal digits at `p`; -1: there are none. */
static long json_hex(const uint8_t *p, const uint8_t *end) {
  long value = 0;
  if (end - p < 4) return -1;
  for (int i = 0; i < 4; i++) {
    int c = p[i];
    int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

/* Past the escape that begins at the backslash `p`; NULL: it is none. A surrogate needs its other half. */
static const uint8_t *json_escape(const uint8_t *p, const uint8_t *end) {
  if (end - p < 2) return NULL;
  if (p[1] != 'u') return strchr("\"\\/bfnrt", p[1]) && p[1] ? p + 2 : NULL;
  long high = json_hex(p + 2, end);
  if (high < 0 || (high >= 0xDC00 && high < 0xE000)) return NULL;
  if (high < 0xD800 || high >= 0xE000) return p + 6;
  if (end - p < 12 || p[6] != '\\' || p[7] != 'u') return NULL;
  long low = json_hex(p + 8, end);
  return low >= 0xDC00 && low < 0xE000 ? p + 12 : NULL;
}

/* Past the UTF-8 character at `p`, which is not ASCII; NULL: it is none (RFC 3629). */
static const uint8_t *json_character(const uint8_t *p, const uint8_t *end) {
  uint8_t first = *p, low = 0x80, high = 0xBF;
  int more = first >= 0xC2 && first <= 0xDF ? 1 : first >= 0xE0 && first <= 0xEF ? 2 : first >= 0xF0 && first <= 0xF4 ? 3 : 0;
  if (first == 0xE0) low = 0xA0;
  if (first == 0xED) high = 0x9F;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  if (more == 0 || end - p <= more) return NULL;
  if (p[1] < low || p[1] > high) return NULL;
  for (int i = 2; i <= more; i++)
    if (p[i] < 0x80 || p[i] > 0xBF) return NULL;
  return p + 1 + more;
}

static const uint8_t *json_string(const uint8_t *p, const uint8_t *end) {
  for (p++; p && p < end && *p != '"';) {
    if (*p < 0x20) return NULL;
    p = *p == '\\' ? json_escape(p, end) : *p < 0x80 ? p + 1 : json_character(p, end);
  }
  return p && p < end ? p + 1 : NULL;
}

static const uint8_t *json_digits(const uint8_t *p, const uint8_t *end) {
  const uint8_t *from = p;
  while (p < end && *p >= '0' && *p <= '9') p++;
  return p > from ? p : NULL;
}

static const uint8_t *json_number(const uint8_t *p, const uint8_t *end) {
  if (*p == '-') p++;
  p = p < end && *p == '0' ? p + 1 : json_digits(p, end);
  if (p && p < end && *p == '.') p = json_digits(p + 1, end);
  if (p && p < end && (*p == 'e' || *p == 'E')) {
    p++;
    if (p < end && (*p == '+' || *p == '-')) p++;
    p = json_digits(p, end);
  }
  return p;
}

static const uint8_t *json_word(const uint8_t *p, const uint8_t *end, const char *word) {
  size_t n = strlen(word);
  return (size_t)(end - p) >= n && memcmp(p, word, n) == 0 ? p + n : NULL;
}

/* Past the value at `p`; NULL: it is none. */
static const uint8_t *json_value(const uint8_t *p, const uint8_t *end, int depth) {
  if (p >= end || depth > JSON_DEPTH) return NULL;
  switch (*p) {
    case '"': return json_string(p, end);
    case 't': return json_word(p, end, "true");
    case 'f': return json_word(p, end, "false");
    case 'n': return json_word(p, end, "null");
    case '{': case '[': break;
    default: return *p == '-' || (*p >= '0' && *p <= '9') ? json_number(p, end) : NULL;
  }
  int object = *p == '{';
  uint8_t close = object ? '}' : ']';
  p = json_space(p + 1, end);
  if (p < end && *p == close) return p + 1;
  for (;;) {
    if (object) {
      if (p >= end || *p != '"' || !(p = json_string(p, end))) return NULL;
      p = json_space(p, end);
      if (p >= end || *p != ':') return NULL;
      p = json_space(p + 1, end);
    }
    if (!(p = json_value(p, end, depth + 1))) return NULL;
    p = json_space(p, end);
    if (p >= end || (*p != close && *p != ',')) return NULL;
    if (*p == close) return p + 1;
    p = json_space(p + 1, end);
  }
}

/* The one document that a text is. */
static json json_document(tg_str text) {
  if (text.len == 0) return JSON_NONE;
  const uint8_t *end = text.ptr + text.len, *at = json_space(text.ptr, end);
  const uint8_t *after = json_value(at, end, 0);
  return after && json_space(after, end) == end ? (json){at, after} : JSON_NONE;
}

/* Steps through an object or an array of a document: the next value in `*value`, its quoted name in `*name` (an array
 * has none). Begin with `*value` as JSON_NONE; 0: there is no more. */
static int json_next(json in, json *name, json *value) {
  if (!in.at || (*in.at != '{' && *in.at != '[')) return 0;
  const uint8_t *p = json_space(value->at ? value->end : in.at + 1, in.end);
  if (value->at && *p == ',') p = json_space(p + 1, in.end);
  if (*p == '}' || *p == ']') return 0;
  *name = JSON_NONE;
  if (*in.at == '{') {
    *name = (json){p, json_string(p, in.end)};
    p = json_space(json_space(name->end, in.end) + 1, in.end);
  }
  *value = (json){p, json_value(p, in.end, 0)};
  return 1;
}

/* The last member of an object with this name, which holds nothing that JSON escapes. */
static json json_member(json object, const char *name) {
  json found = JSON_NONE, key, value = JSON_NONE;
  size_t n = strlen(name);
  if (!object.at || *object.at != '{') return found;
  while (json_next(object, &key, &value))
    if ((size_t)(key.end - key.at) == n + 2 && memcmp(key.at + 1, name, n) == 0) found = value;
  return found;
}

/* The last element of an array. */
static json json_last(json array) {
  json key, value = JSON_NONE, last = JSON_NONE;
  if (!array.at || *array.at != '[') return last;
  while (json_next(array, &key, &value)) last = value;
  return last;
}

static int json_is_string(json value) { return value.at && *value.at == '"'; }

static int json_is(json value, const char *text) {
  size_t n = strlen(text);
  return value.at && (size_t)(value.end - value.at) == n && memcmp(value.at, text, n) == 0;
}

/* The text that a JSON string stands for, without its quotes and escapes, into `to`, which has room for `room` bytes; the
 * value's own length is always enough. Gives the bytes written, which are UTF-8; -1: it is no string, an escape is
 * malformed, or there is no room. */
static long json_text(json value, char *to, size_t room) {
  if (!value.at || value.end - value.at < 2 || *value.at != '"') return -1;
  const uint8_t *p = value.at + 1, *end = value.end - 1;
  size_t n = 0;
  while (p < end) {
    const uint8_t *from = p;
    long c = *p;
    if (c != '\\') {
      if (n == room) return -1;
      to[n++] = (char)c;
      p++;
      continue;
    }
    if (!(p = json_escape(from, end))) return -1;
    switch (from[1]) {
      case 'b': c = '\b'; break;
      case 'f': c = '\f'; break;
      case 'n': c = '\n'; break;
      case 'r': c = '\r'; break;
      case 't': c = '\t'; break;
      case 'u':
        c = json_hex(from + 2, end);
        if (p - from == 12) c = 0x10000 + ((c - 0xD800) << 10) + (json_hex(from + 8, end) - 0xDC00);
        break;
      default: c = from[1];
    }
    int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    if (room - n <= (size_t)more) return -1;
    static const uint8_t first[] = {0, 0xC0, 0xE0, 0xF0};
    to[n++] = (char)(first[more] | (c >> (6 * more)));
    while (more-- > 0) to[n++] = (char)(0x80 | ((c >> (6 * more)) & 0x3F));
  }
  return (long)n;
}

/* A text as a JSON string, into `to`, which has room for six times its bytes and two. Gives the bytes written. The
 * host's texts are UTF-8. */
static size_t json_quote(tg_str text, char *to) {
  char *p = to;
  *p++ = '"';
  for (size_t i = 0; i < text.len; i++) {
    uint8_t c = text.ptr[i];
    if (c == '"' || c == '\\') *p++ = '\\';
    if (c < 0x20)
      p += sprintf(p, "\\u%04x", c);
    else
      *p++ = (char)c;
  }
  *p++ = '"';
  return (size_t)(p - to);
}

#endif
