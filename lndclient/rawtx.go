package lndclient

import (
	"bytes"
	"fmt"

	"github.com/btcsuite/btcd/wire"
)

// InputsOf lists what a serialized transaction spends. Ours is not known from the bytes and stays false.
func InputsOf(raw []byte) ([]TxInput, error) {
	tx, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("stored transaction: %w", err)
	}
	inputs := make([]TxInput, 0, len(tx.TxIn))
	for _, in := range tx.TxIn {
		inputs = append(inputs, TxInput{TxID: in.PreviousOutPoint.Hash.String(), Vout: in.PreviousOutPoint.Index})
	}
	return inputs, nil
}

func parse(raw []byte) (*wire.MsgTx, error) {
	tx := wire.NewMsgTx(2)
	err := tx.Deserialize(bytes.NewReader(raw))
	return tx, err
}
