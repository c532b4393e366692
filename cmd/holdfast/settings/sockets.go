package settings

import "time"

// Sockets bound what one WebSocket, and one client with several, may take.
type Sockets struct {
	MaxSocketsPerClient        int64         `type:"setting" setting:"HOLDFAST_MAX_SOCKETS_PER_CLIENT" otherwise:"32" min:"1" max:"100000" placeholder:"N" help:"Open WebSockets of one client address."`
	MaxSocketsPerAccount       int64         `type:"setting" setting:"HOLDFAST_MAX_SOCKETS_PER_ACCOUNT" otherwise:"32" min:"1" max:"100000" placeholder:"N" help:"Open WebSockets of one account, its API keys included."`
	MaxOperationsPerSocket     int64         `type:"setting" setting:"HOLDFAST_MAX_OPERATIONS_PER_SOCKET" otherwise:"20" min:"1" max:"1000" placeholder:"N" help:"Subscriptions and queries that run at once on one WebSocket."`
	MaxMessageBytes            int64         `type:"setting" setting:"HOLDFAST_MAX_MESSAGE_BYTES" otherwise:"65536" min:"1024" max:"16777216" placeholder:"BYTES" help:"The largest message of a client on a WebSocket, in bytes."`
	SocketInitTimeout          time.Duration `type:"setting" setting:"HOLDFAST_SOCKET_INIT_TIMEOUT" otherwise:"10s" min:"100ms" max:"5m" placeholder:"TIME" help:"For a client to send connection_init after the upgrade."`
	SocketIdleTimeout          time.Duration `type:"setting" setting:"HOLDFAST_SOCKET_IDLE_TIMEOUT" otherwise:"5m" min:"1s" max:"24h" placeholder:"TIME" help:"Without an operation, until a WebSocket with credentials is closed."`
	SocketAnonymousIdleTimeout time.Duration `type:"setting" setting:"HOLDFAST_SOCKET_ANONYMOUS_IDLE_TIMEOUT" otherwise:"30s" min:"1s" max:"24h" placeholder:"TIME" help:"Without a running subscription, until a WebSocket without credentials is closed."`
	SocketPingEvery            time.Duration `type:"setting" setting:"HOLDFAST_SOCKET_PING_EVERY" otherwise:"20s" min:"1s" max:"10m" placeholder:"TIME" help:"Between two pings, which keep a WebSocket open through what lies between."`
	SocketWriteTimeout         time.Duration `type:"setting" setting:"HOLDFAST_SOCKET_WRITE_TIMEOUT" otherwise:"10s" min:"100ms" max:"5m" placeholder:"TIME" help:"For a client to take one message; then its WebSocket is dropped."`
}
