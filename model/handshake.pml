/*
 * The handshake overlay and the states of the connection mark: one tuple, a client PU and a server PU. Numbers like "3:" are
 * sections of docs/protocol.md's contract, "code:" names the function of the data path that a piece renders. One step is
 * one packet: the rules, the verdict, what the kernel answers and that answer's way out.
 *
 *   -DATTACKER       The wire is an attacker: what was ever sent may arrive at any time, any number of times or never, and he
 *                    makes any segment without a MAC of his own whose numbers he has seen. Checks what must never happen.
 *   without it       An honest wire that loses, doubles and reorders, a bounded number of times. Checks how it ends.
 *   -DONE_NAMESPACE  Both ends share the kernel's connection entry, and one enforcer serves them.
 *
 * A mutant is one name more; check.mjs lists them.
 */

mtype = { none, handshake, sent, auth, acl };                    /* code: FlowState, the mark's states */
mtype = { syn_sent, verified, released, refused, syn_received }; /* code: stages of ClientFlow; released and auth are finished handshakes, syn_received is a ServerFlow */
mtype = { CLOSED, LISTEN, SYN_SENT, SYN_RECEIVED, ESTABLISHED }; /* RFC 9293 §3.3.2 */
mtype = { SYN, ACK, CDATA, CRST, SYNACK, SACK, SDATA, SRST };    /* what a client sends, then what a server sends */
mtype = { PASS, DROP, QUEUE, REFUSE };                           /* verdicts */

#ifdef ATTACKER
#define TALLY(x) skip /* who has heard what, and who hears of a reset, matters only to how it ends */
#define FORMER bit unused
#define AT_BOUND isOver = true
#else
#define TALLY(x) x
#define FORMER byte former; byte formerISN
#define AT_BOUND assert(false)
#endif
#ifdef ONE_NAMESPACE
#define SHARED_ENTRY true
#define markS markC
#else
#define SHARED_ENTRY false
mtype markS = none;
#endif
mtype markC = none;

/* seq: the client's data lies before the segment; of a SRST, that it acknowledges nothing. got: the segment acknowledges data. mac: SYNACK is MAC_s, ACK is MAC_c. */
typedef Packet { mtype kind = none; byte ic; byte is; byte overlay; mtype mac = none; bit seq; bit got };
Packet p;
mtype way;

/* 4: half-open entries. An overlay is its nonce: SYN overlay and record_c are nonce_c, h2 and both MACs are nonce_s. */
typedef ServerFlow { mtype stage = none; byte isn; byte nonce; byte answer; byte answerISN; FORMER };
ServerFlow servers[4];           /* code: FlowTable, the eldest first: two candidates and one auth; the last stays empty */
byte seenAt[NONCES];             /* code: ReplayFilter: one more than the ISN under which nonce_c came */
byte nonceOf[NONCES];            /* nonce_c that nonce_s answers, which is what MAC_s covers */
mtype client = none;             /* code: ClientFlow.stage */
byte clientISN, clientNonce, clientAnswer, clientAnswerISN;
bit sentUpTo;                    /* code: ClientFlow.sentUpTo */

/* The two sockets. Each application has one segment to say, or none. */
mtype tcpC = CLOSED, tcpS = LISTEN;
byte isnC, peerC, isnS, peerS;   /* own and peer's initial sequence number */
bit owesC, owesS, gotC, gotS, nextC;
bool talksC, talksS;             /* whether the applications have something to say */
byte connections, sockets, noncesC = 1, noncesS = 1;
bool receiverAccepts = true, transmitterAccepts = true, addressRule = false;

/* What has happened: for the properties, and for the attacker. */
bool authorizedS;                /* MAC_c verified for the server's socket of now */
bool authenticC;                 /* the answer that the client took came from the server's enforcer, for this connection */
bool allowedC;                   /* a rule over addresses took the client's answer */
byte macsOut, isnsOut;           /* bit n: MAC_c over nonce_s n, the server's ISN n, was on the wire */

byte i, j, k, n;
bool arrives, leaves, isOver;
bool isLost, isLate, isJudged;   /* of what leaves: the queue overflows; its verdict comes later; its verdict comes now */
bool isWaiting; byte waitingIC, waitingIS; /* a SYN-ACK in the queue: the queued wait behind it, the others overtake it */

#define NO_ISN         15        /* the sequence number of a reset that answers a SYN */
#define FORGED         15        /* an overlay of the attacker's making */
#define BIT(set, x)    ((set >> (x)) & 1)
#define IS_RST         (p.kind == CRST || p.kind == SRST)
#define HAS_SYN        (p.kind == SYN || p.kind == SYNACK)
#define IS_FROM_CLIENT (p.kind == SYN || p.kind == ACK || p.kind == CDATA || p.kind == CRST)
#define HAS_OVERLAY    (p.overlay != 0)
#define IS_OLD(mark)   (mark != none && mark != handshake)                     /* code: isDemotion */
#define IS_AUTH        (servers[0].stage == auth || servers[1].stage == auth || servers[2].stage == auth)
#define TELL(what) printf(what); printf(" %e %d %d overlay %d %e, %e: marks %e %e, client %e %e, server %e %e %e %e\n", p.kind, \
  p.ic, p.is, p.overlay, p.mac, way, markC, markS, client, tcpC, servers[0].stage, servers[1].stage, servers[2].stage, tcpS)

inline segment(kind_, ic_, is_) { p.kind = kind_; p.ic = ic_; p.is = is_; p.overlay = 0; p.mac = none; p.seq = 0; p.got = 0 }

inline send(kind_, ic_, is_) { segment(kind_, ic_, is_); leaves = true }

inline strip() { p.overlay = 0; p.mac = none; way = PASS }

inline resetTaker() { p.kind = SRST; p.seq = 1; strip() } /* only a socket that has taken this SYN-ACK heeds it */

#include "flow-table.pml"
#include "sockets.pml"
#ifdef ATTACKER
#include "attacker.pml"
#else
#include "honest-wire.pml"
#endif

/* ---- what the kernel decides alone: 3, the table, first match wins. code: flow-rules.ts, pu-rules.ts ---- */
#ifdef RELEASE_ON_LOOPBACK
#define MAY_RELEASE true
#else
#define MAY_RELEASE !SHARED_ENTRY
#endif
/* 3: in one namespace SENT does not exist: the answer came over loopback. code: ClientFlow.sharesEntry */
#ifdef SENT_IF_SHARED
#define MAY_BE_SENT true
#else
#define MAY_BE_SENT !SHARED_ENTRY
#endif

inline rules(mark, isInbound, isReply) {
  if
  :: (mark == auth || mark == acl) && !HAS_SYN && !HAS_OVERLAY -> way = PASS
  :: else -> if
     :: IS_RST -> way = (HAS_OVERLAY -> DROP : PASS)
     :: mark == sent && MAY_RELEASE && isInbound && isReply && !HAS_SYN && !IS_RST && !HAS_OVERLAY -> mark = auth; way = PASS
     :: mark == none && p.kind == SYN -> mark = handshake; way = QUEUE
     :: mark == none && p.kind != SYN && !IS_RST -> way = (HAS_SYN || HAS_OVERLAY -> DROP : REFUSE)
#ifndef DEMOTED_BY_VERDICT /* 3: reuse of a tuple; later, and what the kernel decides alone could overtake the demotion */
     :: HAS_SYN && !isInbound && IS_OLD(mark) -> mark = handshake; way = QUEUE
#endif
     :: else -> way = QUEUE
     fi
  fi
}

/* ---- the six steps. code: send-syn.ts and so on ---- */

inline sendSyn() {
  if
  :: client == none || clientISN != p.ic -> /* another ISN is another connection */
     if
     :: noncesC == NONCES -> AT_BOUND
     :: else ->
        client = syn_sent; clientISN = p.ic; clientNonce = noncesC; noncesC++; clientAnswer = 0; clientAnswerISN = 0; sentUpTo = 0
     fi
  :: else
  fi;
  p.overlay = clientNonce;
  way = (client == released -> DROP : PASS); /* the socket has had its answer since */
#ifndef REUSE_KEEPS_AUTH
  if :: IS_OLD(markC) -> markC = handshake :: else fi
#endif
}

inline receiveSyn() {
  j = 3;
  for (i : 0 .. 2) {
    if
    :: servers[i].stage != none && servers[i].isn == p.ic && servers[i].nonce == p.overlay ->
       way = (servers[i].stage == auth -> DROP : PASS); j = i
    :: else
    fi
  }
  if :: way == PASS -> rejuvenate(j) :: else fi;
  if
  :: way == QUEUE && seenAt[p.overlay] != 0 && seenAt[p.overlay] != p.ic + 1 -> way = DROP /* 5: replay */
  :: way == QUEUE && (seenAt[p.overlay] == 0 || seenAt[p.overlay] == p.ic + 1) ->
     seenAt[p.overlay] = p.ic + 1;
     if
     :: receiverAccepts ->
        addServer(p.overlay, p.ic); way = PASS
     :: else -> way = (IS_OLD(markS) -> DROP : REFUSE)
     fi
  :: else
  fi;
  if :: way == PASS -> strip() :: else fi
}

#define ANSWERS(x) (servers[x].answer != 0 && servers[x].answerISN == p.is)

inline sendSynAck() {
  way = DROP; j = 3; /* 3: the youngest candidate whose ISN it acknowledges, but a resend is the auth flow's */
  for (i : 0 .. 2) {
    if
    :: servers[i].stage != none && servers[i].isn == p.ic && !(j < 3 && servers[j].stage == auth && ANSWERS(j)) -> j = i
    :: else
    fi
  }
  if
  :: j < 3 && ANSWERS(j) -> way = PASS
  :: j < 3 && !ANSWERS(j) && servers[j].stage != auth && noncesS == NONCES -> AT_BOUND
  :: j < 3 && !ANSWERS(j) && servers[j].stage != auth && noncesS < NONCES ->
#ifndef OLD_ANSWERS_HOLD
     for (i : 0 .. 2) { /* what was said for another socket of the kernel is void */
       if
       :: servers[i].answer != 0 && servers[i].answerISN != p.is ->
          TALLY(servers[i].former = servers[i].answer; servers[i].formerISN = servers[i].answerISN);
          servers[i].answer = 0; servers[i].answerISN = 0
       :: else
       fi
     }
#endif
     /* 4.3: nonce_s belongs to (tuple, ISN_c, overlay, ISN_s) */
     nonceOf[noncesS] = servers[j].nonce; servers[j].answer = noncesS; servers[j].answerISN = p.is; noncesS++;
     way = PASS;
#ifndef REUSE_KEEPS_AUTH
     for (i : 0 .. 2) { if :: servers[i].stage == auth -> forgetServer(i); if :: j > i -> j-- :: else fi :: else fi }
#endif
  :: j == 3 && (markS == handshake || markS == sent) -> resetTaker()
  :: else
  fi;
  if
  :: way == PASS && p.kind == SYNACK ->
     p.overlay = servers[j].answer; p.mac = SYNACK;
#ifndef REUSE_KEEPS_AUTH
     if
     :: servers[j].stage == auth -> markS = auth /* 3: a resend, mark kept */
     :: servers[j].stage != auth && IS_OLD(markS) -> markS = handshake
     :: else
     fi;
#endif
#ifdef MARK_ON_REPLY
     markS = auth;
#endif
     skip
  :: else
  fi
}

#define IS_ANSWER (p.overlay < NONCES && p.mac == SYNACK && nonceOf[p.overlay] == clientNonce)
#ifdef SYNACK_UNCHECKED
#define MAC_S_HOLDS true
#else
#define MAC_S_HOLDS IS_ANSWER
#endif

inline refuseSynAck() { client = refused; p.kind = SRST; p.is = NO_ISN; strip() } /* 3: rewritten into a reset for the PU */

inline passAnswer() {
  if :: client == released && MAY_BE_SENT -> markC = sent :: else fi; /* 3: the kernel's own ACK carries the overlay again */
  strip()
}

inline receiveSynAck() {
  if
  :: p.ic != clientISN && client != syn_sent -> way = DROP
  :: p.ic != clientISN && client == syn_sent -> strip() /* 3: the socket cannot take it and resets what it is the answer of */
  :: p.ic == clientISN && client == refused -> strip() /* 3: makes the PU's kernel reset the server */
  :: p.ic == clientISN && client != refused && !HAS_OVERLAY ->
     if
     :: client != syn_sent -> way = DROP
     :: client == syn_sent && addressRule -> markC = acl; allowedC = true; way = PASS
     :: client == syn_sent && !addressRule -> refuseSynAck()
     fi
  :: p.ic == clientISN && client != refused && HAS_OVERLAY -> if
     :: clientAnswer == p.overlay && p.mac == SYNACK -> if :: clientAnswerISN == p.is -> passAnswer() :: else -> way = DROP fi
     :: else -> if
        :: !MAC_S_HOLDS -> way = DROP
        :: MAC_S_HOLDS && clientAnswer != 0 && clientAnswerISN != p.is -> strip() /* the challenge to it ends one of the two */
        :: MAC_S_HOLDS && (clientAnswer == 0 || clientAnswerISN == p.is) && !transmitterAccepts -> refuseSynAck()
        :: else ->
           clientAnswer = p.overlay; clientAnswerISN = p.is; authenticC = IS_ANSWER;
           client = (client == syn_sent -> verified : client);
           passAnswer()
        fi
     fi
  fi
}

#ifdef CLIENT_HOLDS_DATA
#define MAY_PASS (p.kind != CDATA)
#else
#define MAY_PASS true
#endif
inline sendAck() {
  if
  :: client != verified && client != released -> way = DROP
  :: client == released && (p.kind == CDATA || p.seq) && !sentUpTo && MAY_PASS -> /* 3: in SENT its own data passes */
     sentUpTo = 1; way = PASS
  :: else -> /* 4.5: the overlay goes in the place of data, which the kernel sends again */
     client = released; sentUpTo = p.seq; p.kind = ACK; p.overlay = clientAnswer; p.mac = ACK; way = PASS;
     macsOut = macsOut | (1 << clientAnswer);
#ifdef SHARED_AUTH
     markC = auth;
#endif
     if :: MAY_BE_SENT -> markC = sent :: else fi
  fi
}

#ifdef NO_ROLE_LABEL
#define MAC_C_HOLDS(x) (p.overlay == servers[x].answer)
#else
#define MAC_C_HOLDS(x) (p.overlay == servers[x].answer && p.mac == ACK)
#endif
#ifdef ATTACKER
#define IS_FORMER(x) false
#else
#define IS_FORMER(x) (servers[x].stage == syn_received && servers[x].isn == p.ic && p.mac == ACK && \
  servers[x].former != 0 && servers[x].former == p.overlay && servers[x].formerISN == p.is)
#endif

inline receiveAck() {
  way = DROP; k = 3;
  for (i : 0 .. 2) {
    if
    :: servers[i].stage == auth && (!HAS_OVERLAY || MAC_C_HOLDS(i)) -> way = PASS
    :: servers[i].stage == syn_received && HAS_OVERLAY && servers[i].isn == p.ic && !p.seq && ANSWERS(i) && MAC_C_HOLDS(i) -> k = i
    :: else
    fi
  }
  if
  :: way == DROP && k < 3 -> /* 4.6. code: authorize */
     assert(BIT(macsOut, p.overlay)); /* PROPERTY: the client of this very handshake has released it */
     authorizedS = authorizedS || (tcpS != LISTEN && peerS == p.ic && isnS == p.is);
     servers[k].stage = auth; markS = auth; way = PASS;
     moveServer(0, k); moveServer(1, 3); moveServer(2, 3)
  :: way == DROP && k == 3 && (IS_FORMER(0) || IS_FORMER(1) || IS_FORMER(2)) -> strip(); way = REFUSE /* its socket is gone */
  :: else
  fi;
  if :: way == PASS -> strip() :: else fi
}

/* A segment of a flow that the enforcer does not know. code: forgotten, decidedWithoutFlow */
inline forgotten(mark, isApp) {
  if
  :: mark == auth || mark == acl -> if :: !isApp && p.kind == ACK -> strip() :: else -> way = DROP fi
  :: mark == sent && isApp && !SHARED_ENTRY && !HAS_OVERLAY -> way = PASS
  :: else -> way = REFUSE
  fi
}

/* ---- a packet's way: rules, queue, verdict. code: datapath.ts ---- */

inline leaveClient() {
  rules(markC, false, false);
  if
  :: way == QUEUE && p.kind == SYN -> sendSyn()
  :: way == QUEUE && p.kind != SYN && client != none -> sendAck()
  :: way == QUEUE && p.kind != SYN && client == none -> forgotten(markC, true)
  :: else
  fi;
  if :: way == REFUSE -> closeClient() :: else fi;
  assert(way != PASS || p.kind != CDATA || authenticC || allowedC) /* PROPERTY: nor does the client's data leave before */
}

inline leaveServer() {
  if
  :: isJudged -> way = QUEUE
  :: else ->
     rules(markS, false, true);
     if
     :: way == QUEUE && isLate && !isWaiting -> isWaiting = true; waitingIC = p.ic; waitingIS = p.is; way = DROP
     :: else -> way = (way == QUEUE && (isLost || isWaiting) -> DROP : way)
     fi
  fi;
  if
  :: way == QUEUE && p.kind == SYNACK -> sendSynAck()
  :: way == QUEUE && p.kind != SYNACK && servers[0].stage == none -> forgotten(markS, true)
  :: way == QUEUE && p.kind != SYNACK && servers[0].stage != none -> way = (IS_AUTH -> PASS : DROP)
  :: else
  fi;
  if :: way == REFUSE -> closeServer() :: else fi;
  assert(way != PASS || p.kind == SYNACK || p.kind == SRST || authorizedS); /* PROPERTY: 3: only SYN-ACK and RST before AUTH */
  isnsOut = (way == PASS && p.kind != SRST -> isnsOut | (1 << p.is) : isnsOut)
}

inline arriveServer() {
  rules(markS, true, false);
  if
  :: way == QUEUE && isWaiting -> way = DROP /* later, that is */
  :: way == QUEUE && !isWaiting && p.kind == SYN -> receiveSyn()
  :: way == QUEUE && !isWaiting && p.kind != SYN && servers[0].stage == none -> forgotten(markS, false)
  :: way == QUEUE && !isWaiting && p.kind != SYN && servers[0].stage != none -> receiveAck()
  :: else
  fi;
  if
  :: way == PASS -> tcpServer()
  :: way == REFUSE -> n = (p.kind == SYN -> NO_ISN : p.is); send(SRST, p.ic, n)
  :: else
  fi
}

inline arriveClient() {
  rules(markC, true, true);
  if
  :: way == QUEUE && p.kind == SYNACK && client != none -> receiveSynAck()
  :: way == QUEUE && p.kind == SYNACK && client == none && (markC == handshake || markC == sent) -> resetTaker()
  :: way == QUEUE && p.kind == SYNACK && client == none && (markC == auth || markC == acl) ->
     way = (markC == acl && !HAS_OVERLAY -> PASS : DROP)
  :: way == QUEUE && p.kind != SYNACK && client == none -> forgotten(markC, false)
  :: way == QUEUE && p.kind != SYNACK && client != none ->
     way = (!HAS_OVERLAY && (client == released || client == syn_sent && p.kind == SACK) -> PASS : DROP)
  :: else
  fi;
  if
  :: way == PASS -> tcpClient()
  :: way == REFUSE -> send(CRST, p.ic, p.is)
  :: else
  fi
}

inline restartClient() { client = none; clientISN = 0; clientNonce = 0; clientAnswer = 0; clientAnswerISN = 0; sentUpTo = 0 }

inline restartServer() { forgetServers(); for (i : 1 .. NONCES - 1) { seenAt[i] = 0 } }

active proctype World() {
  if
  :: true
  :: receiverAccepts = false
  :: transmitterAccepts = false
  :: !SHARED_ENTRY -> addressRule = true
  fi;
  do
  :: atomic {
       !isOver; choose();
       if
       :: arrives -> d_step { TELL("arrives"); if :: IS_FROM_CLIENT -> arriveServer() :: else -> arriveClient() fi }
       :: else
       fi;
       if
       :: leaves -> queue(); d_step { if :: IS_FROM_CLIENT -> leaveClient() :: else -> leaveServer() fi; TELL("leaves") };
          if :: way == PASS -> transmit() :: else fi
       :: else
       fi;
       d_step {
         segment(none, 0, 0); way = PASS; arrives = false; leaves = false; isLost = false; isLate = false; isJudged = false;
         i = 0; j = 0; k = 0; n = 0
       }
     }
  od
}
