package tokenizer

import (
	"encoding/binary"
	"math"
)

// spModel is what sentencepiece_model.proto's ModelProto holds of interest here.
type spModel struct {
	pieces     []spPiece
	trainer    spTrainer
	normalizer spNormalizer
	// denormalizer is the charsmap of ModelProto.denormalizer_spec.
	denormalizer []byte
}

type spPiece struct {
	text  string
	score float32
	kind  int32 // 1 where absent
}

// spTrainer is TrainerSpec.
type spTrainer struct {
	modelType    uint64 // field 3: 1 unigram, 2 BPE, 3 word, 4 char
	wsAsSuffix   bool   // field 24
	byteFallback bool   // field 35
	unk          int32  // field 40
	bos          int32  // field 41
	eos          int32  // field 42
	unkSurface   string // field 44
}

// spNormalizer is NormalizerSpec.
type spNormalizer struct {
	name              string // field 1
	charsmap          []byte // field 2
	addDummyPrefix    bool   // field 3
	removeExtraSpaces bool   // field 4
	escapeSpaces      bool   // field 5
}

// protoField is one field of a protocol buffer message: a number (varint and fixed), or bytes.
type protoField struct {
	number int
	value  uint64
	bytes  []byte
}

// eachField calls fn for the fields of a message.
func eachField(data []byte, what string, fn func(f protoField) error) error {
	for at := 0; at < len(data); {
		cut := func() error { return malformedf("%s: cut short or damaged at byte %d", what, at) }
		key, n := binary.Uvarint(data[at:])
		if n <= 0 || key>>3 == 0 || key>>3 > 1<<29 {
			return cut()
		}
		at += n
		f := protoField{number: int(key >> 3)}
		switch key & 7 {
		case 0:
			if f.value, n = binary.Uvarint(data[at:]); n <= 0 {
				return cut()
			}
			at += n
		case 1:
			if len(data)-at < 8 {
				return cut()
			}
			f.value = binary.LittleEndian.Uint64(data[at:])
			at += 8
		case 2:
			size, n := binary.Uvarint(data[at:])
			if n <= 0 || size > uint64(len(data)-at-n) {
				return cut()
			}
			at += n
			f.bytes = data[at : at+int(size)]
			at += int(size)
		case 5:
			if len(data)-at < 4 {
				return cut()
			}
			f.value = uint64(binary.LittleEndian.Uint32(data[at:]))
			at += 4
		default:
			return cut()
		}
		if err := fn(f); err != nil {
			return err
		}
	}
	return nil
}

// parseSentencePiece reads a serialized ModelProto, with the defaults of sentencepiece_model.proto.
func parseSentencePiece(data []byte) (*spModel, error) {
	m := &spModel{
		trainer:    spTrainer{modelType: 1, bos: 1, eos: 2, unkSurface: " \u2047 "},
		normalizer: spNormalizer{addDummyPrefix: true, removeExtraSpaces: true, escapeSpaces: true},
	}
	err := eachField(data, "sentencepiece model", func(f protoField) error {
		switch f.number {
		case 1:
			p := spPiece{kind: typeNormal}
			err := eachField(f.bytes, "sentencepiece piece", func(f protoField) error {
				switch f.number {
				case 1:
					p.text = string(f.bytes)
				case 2:
					p.score = math.Float32frombits(uint32(f.value))
				case 3:
					p.kind = int32(f.value)
				}
				return nil
			})
			m.pieces = append(m.pieces, p)
			return err
		case 2:
			return eachField(f.bytes, "sentencepiece trainer_spec", m.trainer.set)
		case 3:
			return eachField(f.bytes, "sentencepiece normalizer_spec", m.normalizer.set)
		case 5:
			return eachField(f.bytes, "sentencepiece denormalizer_spec", func(f protoField) error {
				if f.number == 2 {
					m.denormalizer = f.bytes
				}
				return nil
			})
		}
		return nil
	})
	return m, err
}

func (s *spTrainer) set(f protoField) error {
	switch f.number {
	case 3:
		s.modelType = f.value
	case 24:
		s.wsAsSuffix = f.value != 0
	case 35:
		s.byteFallback = f.value != 0
	case 40:
		s.unk = int32(f.value)
	case 41:
		s.bos = int32(f.value)
	case 42:
		s.eos = int32(f.value)
	case 44:
		s.unkSurface = string(f.bytes)
	}
	return nil
}

func (s *spNormalizer) set(f protoField) error {
	switch f.number {
	case 1:
		s.name = string(f.bytes)
	case 2:
		s.charsmap = f.bytes
	case 3:
		s.addDummyPrefix = f.value != 0
	case 4:
		s.removeExtraSpaces = f.value != 0
	case 5:
		s.escapeSpaces = f.value != 0
	}
	return nil
}
