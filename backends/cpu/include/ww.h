// The one header a generated CPU kernel includes; README.md in this folder describes the interface.
#pragma once
#include "ww_types.h"
#include "ww_math.h"
#include "ww_gemm.h"
#include "ww_amx.h"
#include "ww_dot.h"
