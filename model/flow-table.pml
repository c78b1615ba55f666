/* The server flows that an enforcer keeps for one tuple. code: flow-table.ts */

inline moveServer(to, from) {
  servers[to].stage = servers[from].stage; servers[to].isn = servers[from].isn; servers[to].nonce = servers[from].nonce;
  servers[to].answer = servers[from].answer; servers[to].answerISN = servers[from].answerISN;
  servers[to].shares = servers[from].shares
}

inline forgetServer(x) { for (n : x .. 2) { moveServer(n, n + 1) } }

inline forgetServers() { for (n : 0 .. 2) { moveServer(n, 3) } }

inline addServer(nonce_, isn_, shares_) { /* 3: at most 2 candidates a tuple, the eldest goes */
  if
  :: servers[0].stage == syn_received && servers[1].stage == syn_received -> forgetServer(0)
  :: servers[1].stage == syn_received && servers[2].stage == syn_received -> forgetServer(1)
  :: servers[0].stage == syn_received && servers[1].stage == auth && servers[2].stage == syn_received -> forgetServer(0)
  :: else
  fi;
  k = (servers[0].stage == none -> 0 : (servers[1].stage == none -> 1 : 2));
  servers[k].stage = syn_received; servers[k].isn = isn_; servers[k].nonce = nonce_; servers[k].shares = shares_
}
