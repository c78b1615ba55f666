/*
 * The wire in an attacker's hands. He needs no memory: every overlay and every number that was ever sent is known by the
 * counters. What he may send is what he has seen, under any header, and any segment without a valid MAC. Both ends may come
 * and go, restart, and forget, at any time.
 */

inline choose() {
  if
  :: connections < CLIENT_ISNS && tcpC == CLOSED -> connect()
  :: tcpC != CLOSED -> speakC()
  :: tcpS != LISTEN -> speakS()
  :: tcpC != CLOSED -> send(CRST, isnC, peerC); closeClient()
  :: tcpC != CLOSED -> closeClient() /* silently: the host lost power */
  :: tcpS != LISTEN -> closeServer()
#ifdef ONE_NAMESPACE
  :: restartClient(); restartServer()
  :: forgetServers()                 /* 4: 64 s are over */
#else
  :: restartClient()
  :: restartServer()
  :: markS = none                    /* conntrack forgets its entry */
#endif
  :: markC = none
  :: isWaiting -> isWaiting = false; isJudged = true; send(SYNACK, waitingIC, waitingIS); waitingIC = 0; waitingIS = 0
  :: toServer(); arrives = (p.kind != none)
  :: toClient(); arrives = (p.kind != none)
  fi
}

inline queue() {
  if
  :: true
  :: p.kind == SYNACK && !isJudged -> isLate = true
#ifdef QUEUE_OVERFLOWS
  :: p.kind == SYNACK && !isJudged -> isLost = true
#endif
  fi
}

inline transmit() { skip }

/*
 * Left out is what changes nothing more than what is there: forged resets (the ends come and go anyway), a forged ACK without
 * data, and for the client numbers that neither its flow nor its socket has.
 */
inline toServer() {
  select (k : 0 .. CLIENT_ISNS - 1);
  if
  :: noncesC > 1 -> select (n : 1 .. noncesC - 1); segment(SYN, k, 0); p.overlay = n
  :: isnsOut != 0 ->
     select (j : 0 .. SERVER_ISNS - 1);
     if
     :: !BIT(isnsOut, j) -> skip     /* he cannot guess what a segment must acknowledge */
     :: BIT(isnsOut, j) -> segment(CDATA, k, j)
     :: BIT(isnsOut, j) -> segment(ACK, k, j); attachRecorded()
     fi
  :: else
  fi
}

inline toClient() {
  if
  :: segment(SACK, isnC, peerC)
  :: segment(SACK, isnC, peerC); attachRecorded()
  :: segment(SDATA, isnC, peerC)
  :: select (j : 0 .. SERVER_ISNS - 1);
     if :: k = clientISN :: isnC != clientISN -> k = isnC fi;
     segment(SYNACK, k, j);
     if :: true :: attachRecorded() :: p.overlay = FORGED; p.mac = SYNACK fi
  fi
}

/* An overlay with a MAC that was on the wire, of either side. */
inline attachRecorded() {
  select (n : 1 .. NONCES - 1);
  if
  :: n < noncesS -> p.overlay = n; p.mac = SYNACK
  :: BIT(macsOut, n) -> p.overlay = n; p.mac = ACK
  :: else -> p.kind = none
  fi
}
