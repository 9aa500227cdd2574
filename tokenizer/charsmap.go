package tokenizer

import (
	"bytes"
	"encoding/binary"
)

// charsmap is sentencepiece's precompiled normalization: a double-array trie (darts-clone) from byte strings to offsets of
// NUL-terminated replacements. It is laid out as the trie's size in bytes (uint32), the trie's units (uint32 each), and the
// replacements.
type charsmap struct {
	units        []uint32
	replacements []byte
}

// parseCharsmap returns nil for an empty map, which changes nothing.
func parseCharsmap(data []byte) (*charsmap, error) {
	if len(data) == 0 {
		return nil, nil
	}
	if len(data) < 4 {
		return nil, malformedf("sentencepiece charsmap of %d bytes", len(data))
	}
	size := binary.LittleEndian.Uint32(data)
	data = data[4:]
	if size == 0 || size%4 != 0 || uint64(size) > uint64(len(data)) {
		return nil, malformedf("sentencepiece charsmap: a trie of %d bytes in %d", size, len(data))
	}
	m := &charsmap{units: make([]uint32, size/4), replacements: data[size:]}
	for i := range m.units {
		m.units[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	if n := len(m.replacements); n > 0 && m.replacements[n-1] != 0 {
		return nil, malformedf("sentencepiece charsmap: the last replacement does not end")
	}
	return m, nil
}

// longest returns the replacement for the longest known prefix of s, and that prefix's length, 0 where there is none.
func (m *charsmap) longest(s string) (replacement string, length int) {
	value := -1
	at := unitOffset(m.units[0])
	for i := range len(s) {
		at ^= uint32(s[i])
		if int(at) >= len(m.units) {
			break
		}
		unit := m.units[at]
		if unit&(1<<31|0xFF) != uint32(s[i]) { // the unit's label, with the bit that only leaves have
			break
		}
		at ^= unitOffset(unit)
		if unit>>8&1 == 1 && int(at) < len(m.units) {
			value, length = int(m.units[at]&(1<<31-1)), i+1
		}
	}
	if value < 0 || value >= len(m.replacements) {
		return "", 0
	}
	end := bytes.IndexByte(m.replacements[value:], 0)
	return string(m.replacements[value : value+end]), length
}

// unitOffset is how far a unit's children lie, as darts-clone packs it.
func unitOffset(unit uint32) uint32 { return unit >> 10 << (unit & (1 << 9) >> 6) }
