/* A provider that goes wrong as it is told to: by a classified failure's body, or by an event's data. Its streams count
 * what they saw, so that a test can tell whether another process went on where the last one ended. */
#define _GNU_SOURCE
#include "tidegate.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define S(literal) ((tg_str){(const uint8_t *)(literal), sizeof(literal) - 1})
#define IS(s, literal) ((s).len == sizeof(literal) - 1 && memcmp((s).ptr, literal, sizeof(literal) - 1) == 0)

static const tg_host_v1 *the_host;

typedef struct { char config[64]; } instance;
typedef struct { unsigned long events, sum; } stream;

static void go_wrong(tg_str how) {
  static volatile unsigned long spun;
  if (IS(how, "spin")) for (;;) ++spun;
  if (IS(how, "sleep")) for (;;) pause();
  if (IS(how, "crash")) *(volatile int *)8 = 1;
  if (IS(how, "abort")) abort();
  if (IS(how, "exit")) _exit(3);
  if (IS(how, "last-words")) {
    fputs("one line\nand the last\n", stderr);
    abort();
  }
  if (IS(how, "garble")) {
    static const char junk[64] = "this is no frame at all, and the parent must not take it for one";
    if (write(0, junk, sizeof junk) < 0) abort();
  }
  if (IS(how, "hang-up")) {
    close(0);
    for (int fd = 3; fd < 16; ++fd) close(fd);
    for (;;) pause();
  }
  if (IS(how, "eat")) {
    for (;;) {
      char *piece = malloc(1 << 20);
      if (!piece) { fputs("memory allocation of 1048576 bytes failed\n", stderr); abort(); }
      memset(piece, 1, 1 << 20);
    }
  }
  if (IS(how, "chatter")) for (int i = 0; i < 1000; ++i) the_host->log(the_host->ctx, TG_LOG_INFO, S("chatter"));
}

static tg_status create(const tg_host_v1 *host, tg_str config, const tg_text_out_v1 *why, void **inst) {
  (void)host, (void)why;
  instance *made = calloc(1, sizeof *made);
  if (!made) return TG_E_PANIC;
  memcpy(made->config, config.ptr, config.len < 63 ? config.len : 63);
  *inst = made;
  return TG_OK;
}

static void destroy(void *inst) { free(inst); }

static tg_status request(void *inst, const tg_request_in_v1 *in, const tg_request_out_v1 *out,
                         const tg_text_out_v1 *why) {
  (void)inst, (void)why;
  go_wrong(in->model);
  out->target(out->ctx, S("POST"), S("https://a/"));
  return out->body(out->ctx, in->body);
}

static tg_status stream_open(void *inst, const tg_head_in_v1 *head, void **out) {
  (void)inst;
  go_wrong(head->model);
  *out = calloc(1, sizeof(stream));
  return *out ? TG_OK : TG_E_PANIC;
}

static tg_status stream_event(void *self, const tg_event_in_v1 *in, const tg_stream_out_v1 *out) {
  stream *s = self;
  go_wrong(in->data);
  ++s->events;
  for (size_t i = 0; i < in->data.len; ++i) s->sum = s->sum * 31 + in->data.ptr[i];
  char text[96];
  int len = snprintf(text, sizeof text, "%lu %lu", s->events, s->sum);
  /* Another answer in every process. */
  if (IS(in->data, "pid")) len = snprintf(text, sizeof text, "%d", (int)getpid());
  if (IS(in->data, "last")) out->note(out->ctx, TG_NOTE_DONE, 0);
  return out->event(out->ctx, S(""), (tg_str){(const uint8_t *)text, (size_t)len});
}

static tg_status stream_end(void *self, const tg_stream_out_v1 *out) {
  (void)self;
  out->event(out->ctx, S(""), S("[END]"));
  return TG_OK;
}

static void stream_close(void *self, uint32_t why) {
  (void)why;
  free(self);
}

static tg_status response(void *inst, const tg_head_in_v1 *head, tg_str body, const tg_text_out_v1 *out) {
  (void)inst, (void)head, (void)out;
  go_wrong(body);
  return TG_PASS;
}

/* Its message is the instance's configuration. */
static tg_status classify(void *inst, const tg_failure_in_v1 *in, tg_class_v1 *out, const tg_class_out_v1 *text) {
  (void)out;
  go_wrong(in->body);
  const instance *self = inst;
  return text->message(text->ctx, (tg_str){(const uint8_t *)self->config, strlen(self->config)});
}

static const tg_provider_v1 provider = {sizeof provider, 0, create, destroy, request, stream_open, stream_event,
                                        stream_end, stream_close, response, classify};

#define NAME "faulty"
#define MANIFEST "{\"providers\": [{\"prefix\": \"faulty\"}]}"
static const tg_plugin_v1 plugin = {
  sizeof plugin, TG_ABI_MAJOR, TG_ABI_MINOR, 0,
  {(const uint8_t *)NAME, sizeof(NAME) - 1}, {(const uint8_t *)"1.0", 3}, {(const uint8_t *)MANIFEST, sizeof(MANIFEST) - 1},
  &provider, NULL};

__attribute__((visibility("default"))) const tg_plugin_v1 *tidegate_plugin_entry_v1(const tg_host_v1 *host);
const tg_plugin_v1 *tidegate_plugin_entry_v1(const tg_host_v1 *host) {
  the_host = host;
#ifdef AT_ENTRY
  go_wrong(S(AT_ENTRY));
#endif
  return &plugin;
}
