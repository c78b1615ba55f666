/*
 * An honest wire, and clocks: a timer fires when nothing else is under way. Bounded: LOSSES, DOUBLES, RESTARTS of an enforcer,
 * and one more connection on the same tuple after the first was given up, with a reset or (between two hosts) in silence.
 */

#define TICKS        20 /* far more quiet moments than any run needs */
#define SYNACK_TRIES 4  /* then the kernel gives the half-open socket up, and the enforcer its entry (4: 64 s) */
#define FIELDS(of)   of.kind, of.ic, of.is, of.overlay, of.mac, of.seq, of.got
#define SAME_AS(of)  eval(of.kind), eval(of.ic), eval(of.is), eval(of.overlay), eval(of.mac), eval(of.seq), eval(of.got)

chan wire = [10] of { mtype, byte, byte, byte, mtype, bit, bit };
Packet q;
byte losses = LOSSES, doubles = DOUBLES, restarts = RESTARTS, ticks, tries;
bit dueC, dueS;     /* a timer has fired */
bool isGivenUp;     /* the first connection */

#define QUIET       (len(wire) == 0 && !dueC && !dueS)
#define PENDING_C   (tcpC == SYN_SENT || tcpC == ESTABLISHED && owesC)
#define PENDING_S   (tcpS == SYN_RECEIVED || tcpS == ESTABLISHED && owesS)
#define CONNECTED   (tcpC == ESTABLISHED && tcpS == ESTABLISHED && isnC == peerS && isnS == peerC && !owesC && !owesS)
/*
 * TCP's own limit: who lost his peer, here to a restart amid the handshake, and has nothing to say may not notice. That the SYN-ACK, sent
 * again, resets him is nothing that holds for every order of events: it may be lost, or answer an overlay from before the restart.
 */
#define IS_STRANDED (restarts < RESTARTS && !owesC && tcpS == LISTEN)

inline choose() {
  if
  :: connections == 0 -> if :: true :: talksC = true fi; if :: true :: talksS = true fi; connect()
  :: connections == 1 && tcpC != CLOSED && !SHARED_ENTRY -> closeClient(); isGivenUp = true
  :: connections == 1 && tcpC != CLOSED -> send(CRST, isnC, peerC); closeClient(); isGivenUp = true
  :: connections == 1 && isGivenUp -> connect()
#ifdef ONE_NAMESPACE
  :: restarts > 0 -> restarts--; restartClient(); restartServer()
#else
  :: restarts > 0 -> restarts--; restartClient()
  :: restarts > 0 -> restarts--; restartServer()
#endif
  :: dueC -> dueC = 0; if :: PENDING_C -> speakC() :: else fi
  :: dueS -> dueS = 0; if :: PENDING_S -> speakS() :: else fi
  :: len(wire) > 0 -> deliver()
  :: QUIET && (PENDING_C || PENDING_S) ->
     assert(ticks < TICKS); /* PROPERTY: an honest pair always ends ... */
     ticks++; dueC = PENDING_C; dueS = PENDING_S;
     if
     :: tcpS == SYN_RECEIVED && tries == SYNACK_TRIES -> closeServer(); dueS = 0; tries = 0; forgetServers()
     :: else -> tries = (tcpS == SYN_RECEIVED -> tries + 1 : 0)
     fi
  :: QUIET && !PENDING_C && !PENDING_S ->
     assert(tcpC == CLOSED || CONNECTED || IS_STRANDED); /* PROPERTY: ... connected or reset */
     isOver = true
  fi
}

/* Any packet that is under way may be the next: the wire reorders. */
inline deliver() {
  k = len(wire);
  select (n : 0 .. k - 1);
  for (i : 0 .. k - 1) {
    wire?FIELDS(q);
    if
    :: i == n -> segment(q.kind, q.ic, q.is); p.overlay = q.overlay; p.mac = q.mac; p.seq = q.seq; p.got = q.got
    :: else -> wire!FIELDS(q)
    fi
  }
  q.kind = none; q.ic = 0; q.is = 0; q.overlay = 0; q.mac = none; q.seq = 0; q.got = 0;
  if
  :: arrives = true
  :: doubles > 0 -> doubles--; transmit(); arrives = true
  :: losses > 0 && !(SHARED_ENTRY && p.kind == CRST) -> losses--
  fi
}

inline queue() { skip }

inline transmit() { if :: !wire??[SAME_AS(p)] -> wire!!FIELDS(p) :: else fi }
