/* The server flows that an enforcer keeps for one tuple; the one in auth is the finished one. code: tables/server-handshakes.ts */

inline moveServer(to, from) {
  servers[to].stage = servers[from].stage; servers[to].isn = servers[from].isn; servers[to].nonce = servers[from].nonce;
  servers[to].answer = servers[from].answer; servers[to].answerISN = servers[from].answerISN;
  TALLY(servers[to].former = servers[from].former; servers[to].formerISN = servers[from].formerISN)
}

inline forgetServer(x) { for (n : x .. 2) { moveServer(n, n + 1) } }

inline forgetServers() { for (n : 0 .. 2) { moveServer(n, 3) } }

inline addServer(nonce_, isn_) { /* 3: at most 2 candidates a tuple, the eldest goes */
  if
  :: servers[0].stage == syn_received && servers[1].stage == syn_received -> forgetServer(0)
  :: servers[1].stage == syn_received && servers[2].stage == syn_received -> forgetServer(1)
  :: servers[0].stage == syn_received && servers[1].stage == auth && servers[2].stage == syn_received -> forgetServer(0)
  :: else
  fi;
  k = (servers[0].stage == none -> 0 : (servers[1].stage == none -> 1 : 2));
  servers[k].stage = syn_received; servers[k].isn = isn_; servers[k].nonce = nonce_
}

/* A flow whose SYN came again is its tuple's youngest. */
inline rejuvenate(x) {
  moveServer(3, x); forgetServer(x);
  servers[3].stage = none; servers[3].isn = 0; servers[3].nonce = 0; servers[3].answer = 0; servers[3].answerISN = 0;
  TALLY(servers[3].former = 0; servers[3].formerISN = 0);
  if
  :: servers[0].stage == none -> moveServer(0, 2); moveServer(2, 3)
  :: servers[0].stage != none && servers[1].stage == none -> moveServer(1, 2); moveServer(2, 3)
  :: else
  fi
}

