/* The two sockets as RFC 9293 and Linux have them: each end of one connection on the one tuple. */

inline closeClient() { tcpC = CLOSED; isnC = 0; peerC = 0; gotC = 0; owesC = 0; nextC = 0; authenticC = false; allowedC = false }

inline closeServer() { tcpS = LISTEN; isnS = 0; peerS = 0; gotS = 0; owesS = 0; authorizedS = false }

inline connect() { tcpC = SYN_SENT; isnC = connections; connections++; TALLY(owesC = talksC); send(SYN, isnC, 0) }

inline speakC() {
  if
  :: tcpC == SYN_SENT -> send(SYN, isnC, 0)
  :: tcpC == ESTABLISHED -> send(CDATA, isnC, peerC); p.got = gotC; nextC = 1
  :: else
  fi
}

inline speakS() {
  if
  :: tcpS == SYN_RECEIVED -> send(SYNACK, peerS, isnS)
  :: tcpS == ESTABLISHED -> send(SDATA, peerS, isnS); p.got = gotS
  :: else
  fi
}

inline tcpServer() {
  assert(!HAS_OVERLAY); /* PROPERTY: no overlay ever reaches an application's byte stream, nor TCP at all */
  if
  :: p.kind == SYN && tcpS == LISTEN && sockets < SERVER_ISNS ->
     tcpS = SYN_RECEIVED; peerS = p.ic; isnS = sockets; sockets++; TALLY(owesS = talksS); send(SYNACK, peerS, isnS)
  :: p.kind == SYN && tcpS == SYN_RECEIVED && peerS == p.ic -> send(SYNACK, peerS, isnS)
  :: p.kind == SYN && tcpS == ESTABLISHED || p.kind != CRST && tcpS == SYN_RECEIVED && peerS != p.ic ->
     send(SACK, peerS, isnS); p.got = gotS /* the challenge (RFC 9293 §3.10.7.4) */
  :: p.kind == CRST && tcpS != LISTEN && peerS == p.ic -> closeServer()
  :: (p.kind == ACK || p.kind == CDATA) && (tcpS == LISTEN || tcpS == SYN_RECEIVED && peerS == p.ic && isnS != p.is) ->
     send(SRST, p.ic, p.is)
  :: (p.kind == ACK || p.kind == CDATA) && tcpS != LISTEN && peerS == p.ic && isnS == p.is ->
     tcpS = ESTABLISHED; TALLY(owesS = owesS && !p.got);
     assert(p.kind == ACK || authorizedS); /* PROPERTY: no data reaches an application before AUTH */
     if :: p.kind == CDATA -> TALLY(gotS = 1); send(SACK, peerS, isnS); p.got = gotS :: else fi
  :: else
  fi
}

inline tcpClient() {
  assert(!HAS_OVERLAY);
  if
  :: p.kind == SRST && (tcpC == SYN_SENT && isnC == p.ic && !p.seq || tcpC == ESTABLISHED && peerC == p.is) -> closeClient()
  :: p.kind == SYNACK && tcpC == SYN_SENT && isnC == p.ic -> tcpC = ESTABLISHED; peerC = p.is; send(ACK, isnC, peerC)
  :: p.kind == SYNACK && tcpC == ESTABLISHED -> send(ACK, isnC, peerC); p.seq = nextC; p.got = gotC
  :: p.kind != SRST && (tcpC == CLOSED || tcpC == SYN_SENT && isnC != p.ic) -> send(CRST, p.ic, p.is)
  :: (p.kind == SACK || p.kind == SDATA) && tcpC == ESTABLISHED && isnC == p.ic && peerC == p.is ->
     TALLY(owesC = owesC && !p.got);
     assert(p.kind == SACK || authenticC || allowedC); /* PROPERTY: the same for the client: MAC_s, or a rule over addresses */
     if :: p.kind == SDATA -> TALLY(gotC = 1); send(ACK, isnC, peerC); p.seq = nextC; p.got = gotC :: else fi
  :: else
  fi
}
