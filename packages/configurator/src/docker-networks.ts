/**
 * Where Docker's own networks lie unless it was told otherwise: the default bridge 172.17.0.0/16 and the pools of user-defined
 * networks. Networks of IPv6 are in `fd00::/8`, which is a trireme network anyway.
 */
export const DOCKER_NETWORKS: readonly string[] = ['172.16.0.0/12', '192.168.0.0/16']
