/* A member of the zoo: a provider, or a policy, that is well but for one thing.
 *
 *   -DNAME="\"spins-in-event\""  the plugin's name and its provider's prefix; "fallback" for a policy (-DPOLICY)
 *   -DAT=EVENT -DDOES=SPIN       where, and what, from the two lists below
 *   -DALWAYS=1                   at every such call; else only for the model "bite" (a policy: for groups with that word)
 *
 * The rest of the macros (ENTRY, MAJOR, MINOR, ...) make descriptors that are wrong in one way each. */
#include "tidegate.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef AT
#define AT NOWHERE
#endif
#ifndef DOES
#define DOES NOTHING
#endif
#ifndef ALWAYS
#define ALWAYS 0
#endif
#define BITES(if_asked) (ALWAYS || (if_asked))
#ifndef ENTRY
#define ENTRY tidegate_plugin_entry_v1
#endif
#ifndef MAJOR
#define MAJOR TG_ABI_MAJOR
#endif
#ifndef MINOR
#define MINOR TG_ABI_MINOR
#endif
#ifndef MANIFEST
#ifdef POLICY
#define MANIFEST "{}"
#else
#define MANIFEST                                                                                              \
  "{\"providers\": [{\"prefix\": \"" NAME "\", \"dialects\": [\"openai-chat\"], \"params\": {\"api_base\": " \
  "{\"default\": \"https://example.com/v1\"}}, \"secrets\": {\"api_key\": {\"env\": []}}}]}"
#endif
#endif
#ifndef SAYS_ITS_NAME_IS
#define SAYS_ITS_NAME_IS NAME
#endif
#ifndef PLUGIN_SIZE
#define PLUGIN_SIZE sizeof(tg_plugin_v1)
#endif
#ifndef TABLE_SIZE
#define TABLE_SIZE sizeof(tg_provider_v1)
#endif
#ifndef CLASSIFY
#define CLASSIFY classify
#endif

enum { NOWHERE, CONSTRUCTOR, DESCRIBING, CREATE, DESTROY, REQUEST, OPEN, EVENT, END, CLOSE, RESPONSE, FAILURE, DECIDE, PICK };
enum {
  NOTHING,
  /* Anywhere. */
  SPIN, SLEEP, SEGFAULT, ABORT, EXIT, STACK, DOUBLE_FREE, HOG, THREAD, BUSY_THREAD, PANIC, ODD,
  /* In one place. */
  NOT_UTF8, FLOOD, SILENT, NOT_JSON, LATE, SCRIBBLE, OVERRUN, EARLY_DONE, TRY, NO_TARGET, SPLIT_HEADER, NO_BODY, FINE,
  BEYOND, NEVER_FREE, PASS_AND_WRITE
};

/* In large pieces: what is to be met is the cap, and not the deadline of a busy machine. */
static const uint8_t piece[65536];
static const tg_str much = {piece, sizeof piece};

#define S(literal) ((tg_str){(const uint8_t *)(literal), sizeof(literal) - 1})

static int has(tg_str text, const char *word) {
  size_t len = strlen(word);
  for (size_t at = 0; at + len <= text.len; ++at)
    if (memcmp(text.ptr + at, word, len) == 0) return 1;
  return 0;
}

/* ---- what can be done anywhere ------------------------------------------------------------------------------ */

static volatile unsigned long turns;

/* Its end is never true, and the compiler cannot know. */
static int deeper(volatile char *above) {
  volatile char here[4096];
  here[0] = *above;
  return turns == 1 ? 0 : deeper(here) + here[0];
}

static void *idle(void *nothing) {
  for (;;) sleep(1000);
  return nothing;
}

static void *busy(void *nothing) {
  for (;;) ++turns;
  return nothing;
}

/* Answers the status to be returned, or 0 where the call goes on. */
static tg_status hurt(void) {
  char first = 0;
  switch (DOES) {
    case SPIN:
      for (;;) ++turns;
    case SLEEP:
      for (;;) sleep(1000);
    case SEGFAULT:
      *(volatile int *)(uintptr_t)(turns + 16) = 1;
      break;
    case ABORT: abort();
    case EXIT: exit(3);
    case STACK: return deeper(&first);
    case DOUBLE_FREE: {
      void *volatile twice = malloc(100);
      free(twice);
      free(twice);
      break;
    }
    case HOG:
      /* As most programs do, it does not look at what malloc answers. */
      for (;;) memset(malloc(16u << 20), 1, 16u << 20);
    case THREAD:
    case BUSY_THREAD: {
      pthread_t thread;
      pthread_create(&thread, NULL, DOES == THREAD ? idle : busy, NULL);
      break;
    }
    case PANIC: return TG_E_PANIC;
    case ODD: return -77;
    default: break;
  }
  return 0;
}

#define HURT(place, if_asked)                       \
  if (AT == (place) && BITES(if_asked)) {           \
    tg_status instead = hurt();                     \
    if (instead != 0) return instead;               \
  }
#define HURT_IN_VOID(place, if_asked) \
  if (AT == (place) && BITES(if_asked)) (void)hurt();

__attribute__((constructor)) static void constructor(void) {
  if (AT == CONSTRUCTOR) (void)hurt();
}

/* ---- the provider: hands on what OpenAI's dialect says ------------------------------------------------------- */

typedef struct { int bite; char url[512]; } instance;
typedef struct { int bite, bitten, ended; tg_stream_out_v1 kept; } stream;

static tg_status create(const tg_host_v1 *host, tg_str config, const tg_text_out_v1 *why, void **inst) {
  (void)host;
  instance *made = calloc(1, sizeof *made);
  made->bite = has(config, "\"model\":\"bite\"");
  if (AT == CREATE && DOES == NOT_UTF8 && BITES(made->bite)) {
    why->write(why->ctx, S("the model \xff is not known"));
    return TG_E_CONFIG;
  }
  HURT(CREATE, made->bite)
  /* The simulator's address has no character that JSON escapes. */
  static const char key[] = "\"api_base\":\"";
  for (size_t at = 0; at + sizeof key < config.len; ++at) {
    if (memcmp(config.ptr + at, key, sizeof key - 1) != 0) continue;
    const char *value = (const char *)config.ptr + at + sizeof key - 1;
    size_t len = strcspn(value, "\"");
    if (len + sizeof "/chat/completions" > sizeof made->url) return TG_E_CONFIG;
    snprintf(made->url, sizeof made->url, "%.*s/chat/completions", (int)len, value);
  }
  *inst = made;
  return TG_OK;
}

static void destroy(void *inst) {
  HURT_IN_VOID(DESTROY, ((instance *)inst)->bite)
  free(inst);
}

static tg_status request(void *inst, const tg_request_in_v1 *in, const tg_request_out_v1 *out,
                         const tg_text_out_v1 *why) {
  instance *mine = inst;
  int here = AT == REQUEST && BITES(mine->bite);
  (void)why;
  HURT(REQUEST, mine->bite)
  if (!(here && DOES == NO_TARGET)) out->target(out->ctx, S("POST"), (tg_str){(const uint8_t *)mine->url, strlen(mine->url)});
  if (here && DOES == SPLIT_HEADER) {
    out->header(out->ctx, S("x-a"), S("1\r\nx-b: 2"));
    return TG_OK;
  }
  tg_auth_v1 auth = {0};
  auth.size = sizeof auth;
  auth.scheme = TG_AUTH_BEARER;
  auth.secret = S("api_key");
  out->auth(out->ctx, &auth);
  tg_response_v1 response = {sizeof response, TG_RESPONSE_EVERY_EVENT, TG_DIALECT_OPENAI_CHAT, TG_FRAMING_AUTO};
  out->response(out->ctx, &response);
  if (here && DOES == FLOOD) {
    while (out->body(out->ctx, much) == TG_OK) {}
    return TG_OK;
  }
  return out->body(out->ctx, in->body);
}

static tg_status stream_open(void *inst, const tg_head_in_v1 *head, void **made) {
  instance *mine = inst;
  (void)head;
  HURT(OPEN, mine->bite)
  if (AT == OPEN && DOES == NO_BODY && BITES(mine->bite)) return TG_OK; /* *made stays NULL */
  stream *opened = calloc(1, sizeof *opened);
  opened->bite = mine->bite;
  *made = opened;
  return TG_OK;
}

#define CHUNK(text)                                                                                            \
  "{\"id\":\"z\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0," \
  "\"delta\":{\"content\":\"" text "\"},\"finish_reason\":null}]}"

static void say(const tg_stream_out_v1 *out, const char *text) {
  char chunk[512];
  int len = snprintf(chunk, sizeof chunk, CHUNK("%s"), text);
  out->event(out->ctx, S(""), (tg_str){(const uint8_t *)chunk, (size_t)len});
}

/* What a plugin has no business doing: whether it could, as text for the client. */
static void try_all(const tg_stream_out_v1 *out) {
  char text[128];
  int file = open("/etc/passwd", O_RDONLY);
  int network = socket(AF_INET, SOCK_STREAM, 0);
  pid_t child = fork();
  if (child == 0) _exit(0);
  if (child > 0) waitpid(child, NULL, 0);
  snprintf(text, sizeof text, "file %s, network %s, process %s. ", file < 0 ? "no" : "yes",
           network < 0 ? "no" : "yes", child < 0 ? "no" : "yes");
  if (file >= 0) close(file);
  if (network >= 0) close(network);
  say(out, text);
}

static tg_status stream_event(void *opened, const tg_event_in_v1 *in, const tg_stream_out_v1 *out) {
  stream *mine = opened;
  if (mine == NULL) return TG_PASS;
  /* At content alone, not at what comes before and after it. */
  int content = ALWAYS || (has(in->data, "\"content\":\"") && !has(in->data, "\"content\":\"\""));
  mine->kept = *out;
  if (has(in->data, "[DONE]")) {
    mine->ended = 1;
    return out->note(out->ctx, TG_NOTE_DONE, 0);
  }
  if (AT == EVENT && BITES(mine->bite) && content) {
    /* The second piece, so that the client has something by then. */
    int second = ALWAYS || mine->bitten++ == 1;
    switch (DOES) {
      case NOT_UTF8:
        if (!second) break;
        out->event(out->ctx, S(""), S(CHUNK("\xc3")));
        return TG_OK;
      case NOT_JSON:
        if (!second) break;
        out->event(out->ctx, S(""), S("{\"choices\": ["));
        return TG_OK;
      case FLOOD:
        if (!second) break;
        while (out->event(out->ctx, S(""), S(CHUNK("more"))) == TG_OK) {}
        /* Goes on after the refusal, and pretends that all is well. */
        for (int i = 0; i < 1000; ++i) out->event(out->ctx, S(""), S(CHUNK("more")));
        return TG_OK;
      case SILENT: return TG_OK;
      case PASS_AND_WRITE:
        if (second) say(out, "and this. ");
        break;
      case EARLY_DONE:
        if (!second) break;
        out->note(out->ctx, TG_NOTE_DONE, 0);
        return TG_OK;
      case TRY:
        if (!second) break;
        try_all(out);
        return TG_OK;
      case SCRIBBLE:
        /* The input is lent, and const. */
        if (second)
          for (size_t i = 0; i + 11 < in->data.len; ++i)
            if (memcmp(in->data.ptr + i, "\"content\":\"", 11) == 0) *(uint8_t *)(uintptr_t)(in->data.ptr + i + 11) = '#';
        break;
      case OVERRUN:
        if (second) memset((void *)(uintptr_t)in->data.ptr, 'Z', (size_t)256 << 20);
        break;
      default:
        if (second) {
          HURT(EVENT, 1)
        }
    }
  }
  return TG_PASS;
}

static tg_status stream_end(void *opened, const tg_stream_out_v1 *out) {
  stream *mine = opened;
  (void)out;
  if (mine == NULL) return TG_OK;
  HURT(END, mine->bite)
  if (AT == END && DOES == FLOOD && BITES(mine->bite)) {
    while (out->event(out->ctx, S(""), S(CHUNK("more"))) == TG_OK) {}
  }
  return mine->ended ? TG_OK : TG_E_TRUNCATED;
}

static void stream_close(void *opened, uint32_t why) {
  stream *mine = opened;
  (void)why;
  if (mine == NULL) return;
  HURT_IN_VOID(CLOSE, mine->bite)
  if (AT == CLOSE && BITES(mine->bite)) {
    if (DOES == NEVER_FREE) return;
    if (DOES == LATE) mine->kept.event(mine->kept.ctx, S(""), S(CHUNK("late")));
  }
  free(mine);
}

static tg_status response(void *inst, const tg_head_in_v1 *head, tg_str body, const tg_text_out_v1 *out) {
  instance *mine = inst;
  (void)head;
  HURT(RESPONSE, mine->bite)
  if (has(body, "\"error\":")) return TG_E_UPSTREAM;
  if (!has(body, "\"choices\":[")) return TG_E_PROTOCOL;
  if (AT != RESPONSE || !BITES(mine->bite)) return TG_PASS;
  switch (DOES) {
    case NO_BODY: return TG_OK;
    case NOT_UTF8: return out->write(out->ctx, S("{\"object\": \"\xc3\"}"));
    case NOT_JSON: return out->write(out->ctx, S("{\"object\": "));
    case PASS_AND_WRITE: out->write(out->ctx, S("{}")); return TG_PASS;
    case FLOOD:
      while (out->write(out->ctx, much) == TG_OK) {}
      return TG_OK;
    default: return TG_PASS;
  }
}

static tg_status classify(void *inst, const tg_failure_in_v1 *in, tg_class_v1 *out, const tg_class_out_v1 *text) {
  instance *mine = inst;
  /* What the host tries at its start. */
  int sample = has(in->body, "\"a sample\"");
  (void)text;
  HURT(FAILURE, mine->bite && !sample)
  if (AT == FAILURE && BITES(mine->bite && !sample)) {
    if (DOES == FINE) out->http_status = 200;
    if (DOES == BEYOND) out->error = 4000000000u, out->http_status = 65536u + 429u;
    if (DOES == NOT_UTF8) text->message(text->ctx, S("\xff"));
    if (DOES == FLOOD)
      for (int i = 0; i < 100000; ++i) text->message(text->ctx, S("and so on "));
    return TG_OK;
  }
  return TG_PASS;
}

/* ---- the policy: leaves everything to the host --------------------------------------------------------------- */

static tg_status policy_create(const tg_host_v1 *host, tg_str config, const tg_text_out_v1 *why, void **inst) {
  static int one;
  (void)host, (void)config, (void)why;
  HURT(CREATE, 1)
  *inst = &one;
  return TG_OK;
}

static void policy_destroy(void *inst) { (void)inst; }

static tg_status answer(int here, const tg_history_in_v1 *in, tg_action_v1 *out) {
  if (here && BITES(has(in->group, "bite"))) {
    tg_status instead = hurt();
    if (instead != 0) return instead;
    out->action = TG_RETRY;
    if (DOES == BEYOND) out->target = (uint32_t)in->n_targets + 7;
    if (DOES == FINE) out->action = 4000000000u;
    return TG_OK;
  }
  return 2;
}

static tg_status decide(void *inst, const tg_history_in_v1 *in, tg_action_v1 *out) {
  (void)inst;
  tg_status status = answer(AT == DECIDE, in, out);
  return status == 2 ? TG_OK : status; /* zeroed by the host: RAISE */
}

static tg_status pick(void *inst, const tg_history_in_v1 *in, tg_action_v1 *out) {
  (void)inst;
  tg_status status = answer(AT == PICK, in, out);
  return status == 2 ? TG_PASS : status;
}

/* ---- the plugin ---------------------------------------------------------------------------------------------- */

/* Longer than this minor's, as a later one's is. */
static const struct { tg_provider_v1 table; void *of_tomorrow[4]; } provider = {
  {TABLE_SIZE, 0, create, destroy, request, stream_open, stream_event, stream_end, stream_close, response, CLASSIFY},
  {0}};
static const tg_policy_v1 policy = {sizeof policy, 0, policy_create, policy_destroy, decide, pick};

static const tg_plugin_v1 plugin = {
  PLUGIN_SIZE, MAJOR, MINOR, 0,
  {(const uint8_t *)SAYS_ITS_NAME_IS, sizeof(SAYS_ITS_NAME_IS) - 1},
  {(const uint8_t *)"1.0", 3},
  {(const uint8_t *)MANIFEST, sizeof(MANIFEST) - 1},
#ifdef POLICY
  NULL, &policy
#else
  &provider.table, NULL
#endif
};

#ifdef NEEDS_A_SYMBOL
extern int that_no_library_has(void);
#endif

__attribute__((visibility("default"))) const tg_plugin_v1 *ENTRY(const tg_host_v1 *host);
const tg_plugin_v1 *ENTRY(const tg_host_v1 *host) {
  (void)host, (void)provider.of_tomorrow, (void)&policy, (void)classify;
#ifdef NEEDS_A_SYMBOL
  if (that_no_library_has()) return NULL;
#endif
  if (AT == DESCRIBING) (void)hurt();
#ifdef RETURNS_NULL
  (void)&plugin;
  return NULL;
#else
  return &plugin;
#endif
}
