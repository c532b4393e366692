package lndclient

import (
	"bytes"
	"fmt"

	"github.com/btcsuite/btcd/wire"
)

// InputsOf lists what a serialized transaction spends. Ours is not known from the bytes and stays false.
func InputsOf(raw []byte) ([]TxInput, error) {
	var tx wire.MsgTx
	if err := tx.Deserialize(bytes.NewReader(raw)); err != nil {
		return nil, fmt.Errorf("stored transaction: %w", err)
	}
	inputs := make([]TxInput, 0, len(tx.TxIn))
	for _, in := range tx.TxIn {
		inputs = append(inputs, TxInput{TxID: in.PreviousOutPoint.Hash.String(), Vout: in.PreviousOutPoint.Index})
	}
	return inputs, nil
}
