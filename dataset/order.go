package dataset

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
)

// sum is Set.Hash: users, items with their texts, and interactions in their order. Name and files do not enter, so the same data
// from another place has the same hash.
func (s *Set) sum() string {
	h := sha256.New()
	w := hashWriter{h: h, buf: make([]byte, 0, 1<<16)}
	w.text("lsat set 1")
	w.number(uint64(len(s.Users)))
	for _, u := range s.Users {
		w.text(u)
	}
	w.number(uint64(len(s.Items)))
	for i := range s.Items {
		it := &s.Items[i]
		w.text(it.ID)
		w.text(it.Title)
		w.number(uint64(len(it.Categories)))
		for _, c := range it.Categories {
			w.text(c)
		}
	}
	w.number(uint64(len(s.Interactions)))
	for i := range s.Interactions {
		e := &s.Interactions[i]
		w.room(20)
		w.buf = binary.LittleEndian.AppendUint64(w.buf, uint64(e.Time))
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(e.User))
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(e.Item))
		w.buf = binary.LittleEndian.AppendUint32(w.buf, math.Float32bits(e.Rating))
	}
	w.flush()
	return hex.EncodeToString(h.Sum(nil))
}

// hashWriter gathers small values, since a hash is slow on them one by one. Texts carry their length, so no two lists of texts
// look alike.
type hashWriter struct {
	h   hash.Hash
	buf []byte
}

func (w *hashWriter) flush() {
	_, _ = w.h.Write(w.buf) // a hash never fails
	w.buf = w.buf[:0]
}

func (w *hashWriter) room(n int) {
	if len(w.buf)+n > cap(w.buf) {
		w.flush()
	}
}

func (w *hashWriter) number(n uint64) {
	w.room(8)
	w.buf = binary.LittleEndian.AppendUint64(w.buf, n)
}

func (w *hashWriter) text(s string) {
	w.number(uint64(len(s)))
	w.room(len(s))
	w.buf = append(w.buf, s...)
}
