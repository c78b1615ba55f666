// floor: minimal NFQUEUE accept-all (the user-space packet-path floor). See README.md
// One thread and one netlink socket per queue. TCP packets that are pure ACK (no SYN/RST/FIN) get the
// packet mark (-m) set in the verdict; a CONNMARK rule in a later hook saves it, so that connmark rules release the flow.
// (NFQA_CT in a verdict would be cheaper, but this kernel has CONFIG_NETFILTER_NETLINK_GLUE_CT unset.)
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint32_t connmark = 0xEEEE; static int payload_back = 0, nq = 0, q0 = 0, range = 0xffff, drop = 0, repeatv = 0;
static uint64_t cnt[64][4];
struct th { int idx; int q; };

static void put_cfg(struct mnl_socket *nl, int q) {
  char buf[MNL_SOCKET_BUFFER_SIZE]; struct nlmsghdr *h;
  h = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, q); nfq_nlmsg_cfg_put_cmd(h, AF_INET, NFQNL_CFG_CMD_BIND);
  if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0) { perror("bind q"); exit(1); }
  h = nfq_nlmsg_put(buf, NFQNL_MSG_CONFIG, q); nfq_nlmsg_cfg_put_params(h, NFQNL_COPY_PACKET, range); nfq_nlmsg_cfg_put_qmaxlen(h, 4096);
  if (mnl_socket_sendto(nl, h, h->nlmsg_len) < 0) { perror("cfg q"); exit(1); }
}

static void *run(void *p) {
  struct th *t = p; int q = t->q;
  struct mnl_socket *nl = mnl_socket_open(NETLINK_NETFILTER);
  if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) { perror("mnl"); exit(1); }
  put_cfg(nl, q);
  int one = 1; mnl_socket_setsockopt(nl, NETLINK_NO_ENOBUFS, &one, sizeof one);
  int fd = mnl_socket_get_fd(nl), rb = 8 << 20; setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rb, sizeof rb);
  static __thread char buf[0xffff + 4096], out[0xffff + 4096];
  for (;;) {
    ssize_t n = recv(fd, buf, sizeof buf, 0);
    if (n < 0) { if (errno == EINTR || errno == ENOBUFS) continue; perror("recv"); exit(1); }
    struct nlmsghdr *h = (void *)buf; int left = n;
    for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
      if (h->nlmsg_type == NLMSG_ERROR) { struct nlmsgerr *e = mnl_nlmsg_get_payload(h); if (e->error) fprintf(stderr, "floor: queue %d netlink error %d\n", q, e->error); continue; }
      struct nlattr *a[NFQA_MAX + 1] = {0};
      if (nfq_nlmsg_parse(h, a) < 0 || !a[NFQA_PACKET_HDR]) continue;
      struct nfqnl_msg_packet_hdr *ph = mnl_attr_get_payload(a[NFQA_PACKET_HDR]);
      unsigned char *pk = a[NFQA_PAYLOAD] ? mnl_attr_get_payload(a[NFQA_PAYLOAD]) : NULL; int pl = a[NFQA_PAYLOAD] ? mnl_attr_get_payload_len(a[NFQA_PAYLOAD]) : 0;
      int fl = 0; if (pk && pl >= 40 && pk[9] == 6) fl = pk[(pk[0] & 15) * 4 + 13];
      int k = (fl & 0x12) == 0x02 ? 0 : (fl & 0x12) == 0x12 ? 1 : (fl & 0x17) == 0x10 ? 2 : 3; cnt[t->idx][k]++;
      struct nlmsghdr *r = nfq_nlmsg_put(out, NFQNL_MSG_VERDICT, q);
      nfq_nlmsg_verdict_put(r, ntohl(ph->packet_id), drop ? NF_DROP : NF_ACCEPT);
      if (payload_back && pl) nfq_nlmsg_verdict_put_pkt(r, pk, pl);
      if (k >= 2 && connmark) nfq_nlmsg_verdict_put_mark(r, connmark);
      if (send(fd, r, r->nlmsg_len, 0) < 0) perror("send");
    }
  }
  return NULL;
}
static void onterm(int s) { (void)s; uint64_t c[4] = {0}; for (int i = 0; i < nq; i++) for (int k = 0; k < 4; k++) c[k] += cnt[i][k];
  char b[200]; int n = snprintf(b, 200, "{\"role\":\"floor\",\"syn\":%lu,\"synack\":%lu,\"ack\":%lu,\"other\":%lu}\n", c[0], c[1], c[2], c[3]); if (write(1, b, n)) {} _exit(0); }
int main(int c, char **v) {
  int o; nq = 2; while ((o = getopt(c, v, "q:n:m:pr:d")) > 0) switch (o) {
    case 'q': q0 = atoi(optarg); break; case 'n': nq = atoi(optarg); break; case 'm': connmark = strtoul(optarg, 0, 0); break;
    case 'p': payload_back = 1; break; case 'r': range = atoi(optarg); break; case 'd': drop = 1; break; default: fprintf(stderr, "floor [-q first] [-n queues] [-m connmark] [-p] [-r copyrange] [-d]\n"); return 1; }
  (void)repeatv; signal(SIGTERM, onterm); signal(SIGINT, onterm);
  pthread_t th[64]; struct th ts[64];
  for (int i = 0; i < nq; i++) { ts[i].idx = i; ts[i].q = q0 + i; pthread_create(&th[i], 0, run, &ts[i]); }
  usleep(50000); printf("READY pid %d\n", getpid()); fflush(stdout);
  pthread_join(th[0], 0); return 0;
}
