package devnet

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"

	crand "crypto/rand"
)

// state is what a network remembers between starts, beside its processes' own data.
type state struct {
	BasePort       int    `json:"base_port"`
	PeerHost       string `json:"peer_host"` // where the Lightning nodes listen for each other
	BtcdPassword   string `json:"btcd_password"`
	GRPCToken      string `json:"grpc_token"`      // for the product's gRPC listener
	CallbackSecret string `json:"callback_secret"` // what the product derives those of callback endpoints from
	Funded         bool   `json:"funded"`          // the chain is mined and the channels are open

	// On a server of somebody else (Config.DatabaseURL):
	DatabaseServer string `json:"database_server,omitempty"` // the last one's URL
	DatabaseSuffix string `json:"database_suffix,omitempty"` // of the databases' names, which no other network has had
}

func loadState(path string) (state, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return state{PeerHost: newPeerHost(), BtcdPassword: crand.Text(), GRPCToken: crand.Text(), CallbackSecret: crand.Text()}, nil
	}
	if err != nil {
		return state{}, err
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return state{}, fmt.Errorf("%s is damaged: start afresh (make clean) (%w)", path, err)
	}
	if s.GRPCToken == "" { // written by an earlier build
		s.GRPCToken = crand.Text()
	}
	if s.CallbackSecret == "" {
		s.CallbackSecret = crand.Text()
	}
	return s, nil
}

func (s state) save(path string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(text, '\n'))
}

// newPeerHost picks a loopback address for the nodes' p2p ports. Networks made
// from one snapshot have nodes with the same keys; on addresses of their own, a
// node can never take another network's for its peer and break the channel's state.
func newPeerHost() string {
	if runtime.GOOS != "linux" { // only Linux answers on all of 127.0.0.0/8
		return "127.0.0.1"
	}
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(255), 1+rand.IntN(254))
}

// writeFile replaces a file as a whole, readable by its owner only.
func writeFile(path string, text []byte) error {
	fresh := path + ".new"
	if err := os.WriteFile(fresh, text, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}
