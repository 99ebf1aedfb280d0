/* A provider that tells its version in everything it says: VERSION for each event "tick". Macros make versions that are
 * bad in one way each. */
#include "tidegate.h"
#include <stdlib.h>
#include <string.h>

#ifndef NAME
#define NAME "versioned"
#endif

#define S(literal) ((tg_str){(const uint8_t *)(literal), sizeof(literal) - 1})
#define IS(s, literal) ((s).len == sizeof(literal) - 1 && memcmp((s).ptr, literal, sizeof(literal) - 1) == 0)
#define CHOICE "\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,"

/* The address of the upstream, and whether a stream has ended. */
typedef struct instance { size_t len; uint8_t url[512]; } instance;
typedef struct stream { int ended; } stream;

static tg_status create(const tg_host_v1 *host, tg_str config, const tg_text_out_v1 *why, void **inst) {
  (void)host;
#ifdef REFUSES
  why->write(why->ctx, S("this version likes no configuration"));
  return TG_E_CONFIG;
#endif
#ifdef PANICS
  return TG_E_PANIC;
#endif
#ifdef SPINS
  for (volatile int i = 0;; ++i) {}
#endif
  const char key[] = "\"api_base\":\"";
  for (size_t i = 0; i + sizeof key - 1 < config.len; ++i) {
    if (memcmp(config.ptr + i, key, sizeof key - 1) != 0) continue;
    instance *it = calloc(1, sizeof *it);
    for (i += sizeof key - 1; i < config.len && config.ptr[i] != '"' && it->len < 400; ++i) it->url[it->len++] = config.ptr[i];
    memcpy(it->url + it->len, "/chat/completions", 17);
    it->len += 17;
    *inst = it;
    return TG_OK;
  }
  why->write(why->ctx, S("it needs an api_base"));
  return TG_E_CONFIG;
}

static void destroy(void *inst) { free(inst); }

static tg_status request(void *inst, const tg_request_in_v1 *in, const tg_request_out_v1 *out, const tg_text_out_v1 *why) {
  (void)why;
  const instance *it = inst;
  tg_auth_v1 auth = {0};
  auth.size = sizeof auth;
  auth.scheme = TG_AUTH_BEARER;
  auth.secret = S("api_key");
  tg_response_v1 response = {sizeof response, 0, TG_DIALECT_UNKNOWN, TG_FRAMING_SSE};
  out->target(out->ctx, S("POST"), (tg_str){it->url, it->len});
  out->auth(out->ctx, &auth);
  out->response(out->ctx, &response);
  return out->body(out->ctx, in->body);
}

static tg_status stream_open(void *inst, const tg_head_in_v1 *head, void **it) {
  (void)inst, (void)head;
  *it = calloc(1, sizeof(stream));
  return TG_OK;
}

static tg_status stream_event(void *it, const tg_event_in_v1 *in, const tg_stream_out_v1 *out) {
#ifdef SPINS_AT_SPIN
  if (IS(in->data, "spin")) for (volatile int i = 0;; ++i) {}
#endif
  if (IS(in->data, "end")) {
    ((stream *)it)->ended = 1;
    return out->event(out->ctx, S(""), S("{\"id\":\"c\",\"object\":\"chat.completion.chunk\"," CHOICE "\"delta\":{},\"finish_reason\":\"stop\"}]}"));
  }
  return out->event(out->ctx, S(""), S("{\"id\":\"c\",\"object\":\"chat.completion.chunk\"," CHOICE "\"delta\":{\"content\":\"" VERSION "\"},\"finish_reason\":null}]}"));
}

static tg_status stream_end(void *it, const tg_stream_out_v1 *out) {
  (void)out;
  return ((stream *)it)->ended ? TG_OK : TG_E_TRUNCATED;
}

static void stream_close(void *it, uint32_t why) {
  (void)why;
  free(it);
}

static tg_status response(void *inst, const tg_head_in_v1 *head, tg_str body, const tg_text_out_v1 *out) {
  (void)inst, (void)head, (void)body;
  return out->write(out->ctx, S("{\"id\":\"c\",\"object\":\"chat.completion\"," CHOICE "\"message\":{\"role\":\"assistant\",\"content\":\"" VERSION "\"},\"finish_reason\":\"stop\"}]}"));
}

static tg_status classify(void *inst, const tg_failure_in_v1 *in, tg_class_v1 *out, const tg_class_out_v1 *text) {
  (void)inst, (void)in, (void)out, (void)text;
#ifdef FAILS_ITS_TEST
  return TG_E_PANIC;
#else
  return TG_PASS;
#endif
}

static const tg_provider_v1 provider = {
  sizeof provider, 0, create, destroy, request, stream_open, stream_event, stream_end, stream_close, response, classify};

#define LIT(literal) {(const uint8_t *)(literal), sizeof(literal) - 1}
static const tg_plugin_v1 plugin = {
  sizeof plugin, TG_ABI_MAJOR, TG_ABI_MINOR, 0, LIT(NAME), LIT(VERSION),
  LIT("{\"providers\":[{\"prefix\":\"" NAME "\",\"dialects\":[\"openai-chat\"],\"params\":{\"api_base\":{}},\"secrets\":{\"api_key\":{\"env\":[]}}}]}"),
  &provider, 0};

const tg_plugin_v1 *tidegate_plugin_entry_v1(const tg_host_v1 *host) {
  (void)host;
#ifdef RETURNS_NULL
  return 0;
#endif
  return &plugin;
}
