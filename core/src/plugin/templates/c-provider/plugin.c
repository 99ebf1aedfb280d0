/* A provider for Tidegate. Its upstream takes {"prompt": "...", "stream": true} and streams {"token": "..."} events,
 * with "end": true on the last one. `tidegate.h` is the contract; every call says there what it may answer. */
#include "json.h"
#include "tidegate.h"
#include <stdio.h>
#include <stdlib.h>

#define S(literal) ((tg_str){(const uint8_t *)(literal), sizeof(literal) - 1})
/* A sink that is full says so: return at once. */
#define TRY(call) do { tg_status status_ = (call); if (status_ != TG_OK) return status_; } while (0)

typedef struct { tg_str url; } instance;
typedef struct { char *head; size_t head_len; int ended; } stream;

static tg_str text_of(json value) { return (tg_str){value.at, (size_t)(value.end - value.at)}; }

static tg_status create(const tg_host_v1 *host, tg_str config, const tg_text_out_v1 *why, void **inst) {
  (void)host;
  json base = json_member(json_member(json_document(config), "params"), "api_base");
  size_t len = json_is_string(base) ? (size_t)(base.end - base.at) - 2 : 0;
  if (len == 0 || memchr(base.at, '\\', len + 2)) {
    why->write(why->ctx, S("parrot/ needs \"api_base\", the URL of its server"));
    return TG_E_CONFIG;
  }
  instance *made = malloc(sizeof *made + len + sizeof "/speak");
  if (!made) return TG_E_CONFIG;
  char *url = (char *)(made + 1);
  memcpy(url, base.at + 1, len);
  memcpy(url + len, "/speak", sizeof "/speak");
  made->url = (tg_str){(uint8_t *)url, strlen(url)};
  *inst = made;
  return TG_OK;
}

static void destroy(void *inst) { free(inst); }

static tg_status request(void *inst, const tg_request_in_v1 *in, const tg_request_out_v1 *out,
                         const tg_text_out_v1 *why) {
  json body = json_document(in->body);
  if (!body.at) {
    why->write(why->ctx, S("the request is not JSON"));
    return TG_E_INVALID;
  }
  json prompt = json_member(json_last(json_member(body, "messages")), "content");
  if (!json_is_string(prompt)) {
    why->write(why->ctx, S("parrot/ needs a text as the last message"));
    return TG_E_UNSUPPORTED;
  }
  tg_auth_v1 auth = {.size = sizeof auth, .scheme = TG_AUTH_BEARER, .secret = S("api_key")};
  tg_response_v1 response = {.size = sizeof response, .dialect = TG_DIALECT_UNKNOWN, .framing = TG_FRAMING_SSE};
  TRY(out->target(out->ctx, S("POST"), ((instance *)inst)->url));
  TRY(out->auth(out->ctx, &auth));
  TRY(out->response(out->ctx, &response));
  TRY(out->body(out->ctx, S("{\"prompt\": ")));
  TRY(out->body(out->ctx, text_of(prompt)));
  return out->body(out->ctx, in->flags & TG_REQUEST_STREAM ? S(", \"stream\": true}") : S(", \"stream\": false}"));
}

/* What every answer begins with: {"id": ..., "object": ..., "created": ..., "model": ... */
static char *head_of(const tg_head_in_v1 *head, const char *object, size_t *len) {
  char *text = malloc(head->model.len * 6 + 160);
  if (!text) return NULL;
  size_t at = (size_t)sprintf(text, "{\"id\": \"parrot-%llx\", \"object\": \"%s\", \"created\": %llu, \"model\": ",
                              (unsigned long long)head->seed, object, (unsigned long long)(head->unix_ms / 1000));
  *len = at + json_quote(head->model, text + at);
  return text;
}

static tg_status stream_open(void *inst, const tg_head_in_v1 *head, void **opened) {
  (void)inst;
  stream *made = calloc(1, sizeof *made);
  if (made) made->head = head_of(head, "chat.completion.chunk", &made->head_len);
  if (!made || !made->head) {
    free(made);
    return TG_E_LIMIT;
  }
  *opened = made;
  return TG_OK;
}

/* The token of an event or a body: the upstream's words, an error of its, or neither. */
static tg_status parse(tg_str data, json *token, int *end) {
  json value = json_document(data), error = json_member(value, "error");
  if (!value.at) return TG_E_PROTOCOL;
  if (error.at && !json_is(error, "null")) return TG_E_UPSTREAM;
  *token = json_member(value, "token");
  *end = json_is(json_member(value, "end"), "true");
  return json_is_string(*token) ? TG_OK : TG_E_PROTOCOL;
}

static tg_status stream_event(void *ctx, const tg_event_in_v1 *in, const tg_stream_out_v1 *out) {
  stream *s = ctx;
  json token;
  int end;
  TRY(parse(in->data, &token, &end));
  s->ended |= end;
  tg_str text = text_of(token);
  char *chunk = malloc(s->head_len + text.len + 120);
  if (!chunk) return TG_E_LIMIT;
  int len = sprintf(chunk, "%.*s, \"choices\": [{\"index\": 0, \"delta\": {\"content\": %.*s}, \"finish_reason\": %s}]}",
                    (int)s->head_len, s->head, (int)text.len, (const char *)text.ptr, s->ended ? "\"stop\"" : "null");
  tg_status status = out->event(out->ctx, S(""), (tg_str){(uint8_t *)chunk, (size_t)len});
  free(chunk);
  TRY(status);
  return s->ended ? out->note(out->ctx, TG_NOTE_DONE, 0) : TG_OK;
}

static tg_status stream_end(void *ctx, const tg_stream_out_v1 *out) {
  (void)out;
  return ((stream *)ctx)->ended ? TG_OK : TG_E_TRUNCATED;
}

static void stream_close(void *ctx, uint32_t why) {
  (void)why;
  free(((stream *)ctx)->head);
  free(ctx);
}

static tg_status write_response(tg_str head, json token, const tg_text_out_v1 *out) {
  TRY(out->write(out->ctx, head));
  TRY(out->write(out->ctx, S(", \"choices\": [{\"index\": 0, \"message\": {\"role\": \"assistant\", \"content\": ")));
  TRY(out->write(out->ctx, text_of(token)));
  return out->write(out->ctx, S("}, \"finish_reason\": \"stop\"}]}"));
}

static tg_status response(void *inst, const tg_head_in_v1 *head, tg_str body, const tg_text_out_v1 *out) {
  (void)inst;
  json token;
  int end;
  size_t len;
  TRY(parse(body, &token, &end));
  char *begin = head_of(head, "chat.completion", &len);
  if (!begin) return TG_E_LIMIT;
  tg_status status = write_response((tg_str){(uint8_t *)begin, len}, token, out);
  free(begin);
  return status;
}

/* What the HTTP status says is filled in already; the body and Retry-After can say more. */
static tg_status classify(void *inst, const tg_failure_in_v1 *in, tg_class_v1 *out, const tg_class_out_v1 *text) {
  (void)inst;
  json error = json_member(json_document(in->body), "error");
  json message = json_member(error, "message"), code = json_member(error, "code");
  if (json_is(code, "429")) {
    out->error = TG_ERR_RATE_LIMIT;
    out->http_status = 429;
    out->flags |= TG_CLASS_RETRYABLE;
  }
  if (json_is_string(message)) {
    /* People read it, so without JSON's escapes. Where that fails nothing is told: the host has words of its own. */
    size_t room = text_of(message).len;
    char *told = malloc(room);
    long len = told ? json_text(message, told, room) : -1;
    if (len > 0) text->message(text->ctx, (tg_str){(uint8_t *)told, (size_t)len});
    free(told);
  }
  for (size_t i = 0; i < in->n_headers; i++) {
    tg_str name = in->headers[i].name, value = in->headers[i].value;
    if (name.len != 11 || memcmp(name.ptr, "retry-after", 11) != 0 || value.len == 0 || value.len > 6) continue;
    uint64_t seconds = 0;
    size_t at = 0;
    while (at < value.len && value.ptr[at] >= '0' && value.ptr[at] <= '9') seconds = seconds * 10 + (value.ptr[at++] - '0');
    if (at < value.len) continue; /* a date, or nonsense */
    out->flags |= TG_CLASS_HAS_RETRY_AFTER;
    out->retry_after_ms = seconds * 1000;
  }
  return TG_OK;
}

static const tg_provider_v1 provider = {
    .size = sizeof(tg_provider_v1),
    .create = create,
    .destroy = destroy,
    .request = request,
    .stream_open = stream_open,
    .stream_event = stream_event,
    .stream_end = stream_end,
    .stream_close = stream_close,
    .response = response,
    .classify = classify,
};

#define NAME "parrot"
#define VERSION "0.1.0"
#define MANIFEST "{\"providers\": [{\"prefix\": \"parrot\", \"dialects\": [\"openai-chat\"]," \
    " \"params\": {\"api_base\": {\"default\": \"http://127.0.0.1:9000\"}}," \
    " \"secrets\": {\"api_key\": {\"env\": [\"PARROT_KEY\"], \"default\": \"none\"}}}]}"
static const tg_plugin_v1 plugin = {
    .size = sizeof(tg_plugin_v1),
    .abi_major = TG_ABI_MAJOR,
    .abi_minor = TG_ABI_MINOR,
    .name = {(const uint8_t *)NAME, sizeof NAME - 1},
    .version = {(const uint8_t *)VERSION, sizeof VERSION - 1},
    .manifest = {(const uint8_t *)MANIFEST, sizeof MANIFEST - 1},
    .provider = &provider,
};

/* The one symbol that is exported. */
__attribute__((visibility("default"))) const tg_plugin_v1 *tidegate_plugin_entry_v1(const tg_host_v1 *host) {
  (void)host;
  return &plugin;
}
