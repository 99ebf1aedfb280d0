/* A provider and a policy that do as the input says. Macros make descriptors that are wrong in one way each. */
#include "tidegate.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#ifndef ENTRY
#define ENTRY tidegate_plugin_entry_v1
#endif
#ifndef MAJOR
#define MAJOR TG_ABI_MAJOR
#endif
#ifndef VERSION
#define VERSION "1.0"
#endif
#ifndef NAME
#define NAME "scripted"
#endif
#ifndef MANIFEST
#define MANIFEST "{\"providers\": [{\"prefix\": \"scripted\", \"dialects\": [\"openai-chat\"]}]}"
#endif
#ifndef PLUGIN_SIZE
#define PLUGIN_SIZE sizeof(tg_plugin_v1)
#endif
#ifndef CLASSIFY
#define CLASSIFY classify
#endif
#ifndef PROVIDER
#define PROVIDER &provider.table
#endif
#ifndef POLICY
#define POLICY &policy
#endif

#define S(literal) ((tg_str){(const uint8_t *)(literal), sizeof(literal) - 1})
#define IS(s, literal) ((s).len == sizeof(literal) - 1 && memcmp((s).ptr, literal, sizeof(literal) - 1) == 0)

/* What was opened and not closed, told through `classify`; the host's log, kept for the streams. */
static int streams, instances;
static const tg_host_v1 *the_host;

static tg_status create(const tg_host_v1 *host, tg_str config, const tg_text_out_v1 *why, void **inst) {
  if (IS(config, "\"bad\"")) {
    why->write(why->ctx, S("the model is "));
    why->write(why->ctx, S("missing"));
    return TG_E_CONFIG;
  }
  if (IS(config, "\"panic\"")) return TG_E_PANIC;
  if (IS(config, "\"odd\"")) return -77;
  host->log(host->ctx, TG_LOG_INFO, S("created\nand more"));
  ++instances;
  *inst = malloc(1);
  return TG_OK;
}

static void destroy(void *inst) {
  --instances;
  free(inst);
}

static tg_status request(void *inst, const tg_request_in_v1 *in, const tg_request_out_v1 *out,
                         const tg_text_out_v1 *why) {
  (void)inst;
  if (IS(in->model, "invalid")) {
    why->write(why->ctx, S("temperature is not a number"));
    return TG_E_INVALID;
  }
  if (IS(in->model, "unsupported")) return TG_E_UNSUPPORTED;
  if (IS(in->model, "panic")) return TG_E_PANIC;
  if (IS(in->model, "pass")) return TG_PASS;
  if (IS(in->model, "no-target")) return TG_OK;
  if (IS(in->model, "url-not-utf8")) return out->target(out->ctx, S("POST"), S("https://a/\xff")), TG_OK;
  if (IS(in->model, "split-header")) {
    out->target(out->ctx, S("POST"), S("https://a/"));
    out->header(out->ctx, S("x-a"), S("1\r\nx-b: 2"));
    return TG_OK;
  }
  if (IS(in->model, "long-body")) {
    out->target(out->ctx, S("POST"), S("https://a/"));
    while (out->body(out->ctx, S("0123456789abcdef")) == TG_OK) {}
    return out->body(out->ctx, S("")) == TG_E_LIMIT ? TG_OK : -77;
  }
  out->target(out->ctx, S("POST"), S("https://a/v1"));
  if (in->flags & TG_REQUEST_STREAM) out->header(out->ctx, S("accept"), S("text/event-stream"));
  for (size_t i = 0; i < in->n_headers; ++i) out->header(out->ctx, in->headers[i].name, in->headers[i].value);
  tg_auth_v1 auth = {0};
  auth.size = sizeof auth;
  auth.scheme = TG_AUTH_HEADER;
  auth.secret = S("api_key");
  auth.header = S("x-key");
  if (IS(in->model, "auth-of-tomorrow")) auth.scheme = 99;
  out->auth(out->ctx, &auth);
  tg_response_v1 response = {sizeof response, TG_RESPONSE_EVERY_EVENT, TG_DIALECT_GEMINI_GENERATE, 99};
  out->response(out->ctx, &response);
  out->body(out->ctx, (tg_str){in->body.ptr, (size_t)in->model_at});
  out->body(out->ctx, S("\"up\""));
  return out->body(out->ctx, (tg_str){in->body.ptr + in->model_at + in->model_len,
                                      in->body.len - (size_t)(in->model_at + in->model_len)});
}

static tg_status stream_open(void *inst, const tg_head_in_v1 *head, void **stream) {
  (void)inst;
  if (IS(head->model, "panic")) return TG_E_PANIC;
  ++streams;
  *stream = malloc(1);
  return TG_OK;
}

static tg_status stream_event(void *stream, const tg_event_in_v1 *in, const tg_stream_out_v1 *out) {
  (void)stream;
  if (in->flags & TG_EVENT_STRAY) return TG_E_PROTOCOL;
  if (IS(in->data, "pass")) return TG_PASS;
  if (IS(in->data, "panic")) return TG_E_PANIC;
  if (IS(in->data, "upstream")) return TG_E_UPSTREAM;
  if (IS(in->data, "limit")) return TG_E_LIMIT;
  if (IS(in->data, "odd")) return 7;
  if (IS(in->data, "nothing")) return TG_OK;
  if (IS(in->data, "pass-and-write")) return out->event(out->ctx, S(""), S("x")), TG_PASS;
  if (IS(in->data, "not-utf8")) return out->event(out->ctx, S(""), S("\xc3")), TG_OK;
  if (IS(in->data, "two-line-name")) return out->event(out->ctx, S("a\nb"), S("x")), TG_OK;
  if (IS(in->data, "protocol")) return out->event(out->ctx, S(""), S("x")), TG_E_PROTOCOL;
  if (IS(in->data, "flood")) {
    while (out->event(out->ctx, S(""), S("x")) == TG_OK) {}
    /* Goes on after the refusal, and pretends that all is well. */
    return out->event(out->ctx, S(""), S("")) == TG_E_LIMIT ? TG_OK : -77;
  }
  out->note(out->ctx, TG_NOTE_TOKENS_OUT, in->data.len);
  out->note(out->ctx, 99, 1);
  if (IS(in->data, "last")) out->note(out->ctx, TG_NOTE_DONE, 0);
  out->event(out->ctx, in->name, in->data);
  return out->event(out->ctx, S(""), S("again"));
}

static tg_status stream_end(void *stream, const tg_stream_out_v1 *out) {
  (void)stream, (void)out;
  return TG_E_TRUNCATED;
}

static void stream_close(void *stream, uint32_t why) {
  tg_str reason = why == TG_CLOSE_END ? S("closed: end") : why == TG_CLOSE_FAILED ? S("closed: failed") : S("closed: cancelled");
  the_host->log(the_host->ctx, TG_LOG_DEBUG, reason);
  --streams;
  free(stream);
}

static tg_status response(void *inst, const tg_head_in_v1 *head, tg_str body, const tg_text_out_v1 *out) {
  (void)inst, (void)head;
  if (IS(body, "pass")) return TG_PASS;
  if (IS(body, "upstream")) return TG_E_UPSTREAM;
  if (IS(body, "empty")) return TG_OK;
  if (IS(body, "protocol")) return TG_E_PROTOCOL;
  if (IS(body, "invalid")) return TG_E_INVALID;
  if (IS(body, "pass-and-write")) return out->write(out->ctx, S("x")), TG_PASS;
  if (IS(body, "not-utf8")) return out->write(out->ctx, S("\xc3")), TG_OK;
  /* A character may be split over two pieces. */
  out->write(out->ctx, S("\xc3"));
  return out->write(out->ctx, S("\xa4"));
}

static tg_status classify(void *inst, const tg_failure_in_v1 *in, tg_class_v1 *out, const tg_class_out_v1 *text) {
  (void)inst;
  if (IS(in->body, "pass")) return out->http_status = 418, TG_PASS;
  if (IS(in->body, "panic")) return TG_E_PANIC;
  if (IS(in->body, "fine")) return out->http_status = 200, TG_OK;
  if (IS(in->body, "beyond")) return out->http_status = 65536 + 429, TG_OK;
  if (IS(in->body, "new-error")) return out->error = 999, TG_OK;
  if (IS(in->body, "long")) {
    static uint8_t much[10000];
    memset(much, 'm', sizeof much);
    text->message(text->ctx, (tg_str){much, sizeof much});
    text->code(text->ctx, S("still_said"));
    return TG_OK;
  }
  if (IS(in->body, "open")) {
    out->retry_after_ms = (uint64_t)streams;
    out->flags |= TG_CLASS_HAS_RETRY_AFTER;
    return TG_OK;
  }
  out->error = TG_ERR_RATE_LIMIT;
  out->flags = TG_CLASS_RETRYABLE | TG_CLASS_QUOTA;
  text->message(text->ctx, S("slow down"));
  return text->code(text->ctx, S("quota"));
}

static tg_status decide(void *inst, const tg_history_in_v1 *in, tg_action_v1 *out) {
  (void)inst;
  if (IS(in->options, "nothing")) return TG_OK;
  if (IS(in->options, "panic")) return TG_E_PANIC;
  if (IS(in->options, "tomorrow")) return out->action = 99, out->target = 1000, TG_OK;
  if (IS(in->options, "price")) {
    const tg_target_v1 *t = &in->targets[1];
    out->action = TG_RETRY, out->target = 1;
    out->reason = in->flags << 8 | t->flags;
    out->delay_ms = in->prompt_tokens * t->input_cost + t->output_cost;
    out->cooldown_ms = t->total_us;
    return TG_OK;
  }
  out->action = TG_RETRY;
  out->target = (uint32_t)in->n_targets - (IS(in->options, "beyond") ? 0 : 1);
  out->delay_ms = in->attempts[in->n_attempts - 1].retry_after_ms;
  out->cooldown_ms = in->targets[out->target % in->n_targets].cooldown_ms;
  return TG_OK;
}

static tg_status pick(void *inst, const tg_history_in_v1 *in, tg_action_v1 *out) {
  (void)inst;
  if (IS(in->options, "host")) return TG_PASS;
  if (IS(in->options, "none")) return TG_OK;
  out->action = TG_RETRY;
  out->target = 1;
  return TG_OK;
}

/* Longer than this minor's, as a later one's is. */
static const struct { tg_provider_v1 table; void *of_tomorrow[4]; } provider = {
  {
#ifdef TABLE_SIZE
    TABLE_SIZE,
#else
    sizeof provider,
#endif
    0, create, destroy, request, stream_open, stream_event, stream_end, stream_close, response, CLASSIFY},
  {0}};

static const tg_policy_v1 policy = {
#ifdef NO_PICK
  offsetof(tg_policy_v1, pick), /* a table that ends before `pick`: nothing after it may be read */
#else
  sizeof(tg_policy_v1),
#endif
  0, create, destroy, decide, pick};

static const tg_plugin_v1 plugin = {
  PLUGIN_SIZE, MAJOR, TG_ABI_MINOR, 0,
  {(const uint8_t *)NAME, sizeof(NAME) - 1}, {(const uint8_t *)VERSION, sizeof(VERSION) - 1}, {(const uint8_t *)MANIFEST, sizeof(MANIFEST) - 1},
  PROVIDER, POLICY};

__attribute__((visibility("default"))) const tg_plugin_v1 *ENTRY(const tg_host_v1 *host);
const tg_plugin_v1 *ENTRY(const tg_host_v1 *host) {
  the_host = host;
  (void)provider.of_tomorrow, (void)policy, (void)classify;
#ifdef READS
  if (open(READS, O_RDONLY) >= 0) return NULL;
#endif
#ifdef RETURNS_NULL
  (void)plugin;
  return NULL;
#else
  return &plugin;
#endif
}
