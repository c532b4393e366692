package graphqlapi

import (
	"bytes"
	"encoding/json"
	"io"
	"sync"

	"github.com/99designs/gqlgen/graphql/handler/transport"
)

// closeDuplicate ends a connection on which an operation has the id of another that runs.
const closeDuplicate = 4409

// numberedConn knows the ids of the operations that run on a connection. gqlgen does not compare them: a second operation would
// take the place of the first, which the client could no longer complete.
type numberedConn struct {
	patientConn
	running *operationIDs
}

// message is what messages of graphql-transport-ws have in common.
type message struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// headOf is empty for what is no message: gqlgen explains that.
func headOf(text []byte) (m message) {
	_ = json.Unmarshal(text, &m)
	return m
}

// NextReader gives the client's next message, or ends the connection.
func (c numberedConn) NextReader() (int, io.Reader, error) {
	kind, reader, err := c.patientConn.NextReader()
	if err != nil {
		return kind, reader, err
	}
	text, err := io.ReadAll(reader) // the connection bounds it
	if err != nil {
		return kind, nil, err
	}
	switch m := headOf(text); {
	case m.Type == "subscribe" && !c.running.begin(m.ID):
		_ = c.WriteClose(closeDuplicate, "Subscriber for "+short(m.ID)+" already exists")
		return kind, nil, transport.ErrWebsocketClosed
	case m.Type == "complete":
		c.running.end(m.ID)
	}
	return kind, bytes.NewReader(text), nil
}

// WriteJSON sends a message. The id is free before the client hears so.
func (c numberedConn) WriteJSON(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if m := headOf(text); m.Type == "complete" || m.Type == "error" {
		c.running.end(m.ID)
	}
	return c.patientConn.WriteJSON(json.RawMessage(text))
}

// short fits into a close frame.
func short(id string) string {
	const most = 60
	if len(id) > most {
		return "this id"
	}
	return id
}

// operationIDs are in use on one connection. There are few: operations are bounded, and each ends with a message.
type operationIDs struct {
	mu  sync.Mutex
	ids map[string]bool
}

// begin takes an id; false if it is taken.
func (o *operationIDs) begin(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ids[id] {
		return false
	}
	if o.ids == nil {
		o.ids = map[string]bool{}
	}
	o.ids[id] = true
	return true
}

// end frees an id.
func (o *operationIDs) end(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.ids, id)
}
